//! The addresses that limits count by, and the proxies that stand before clients.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// Networks whose `X-Forwarded-For` is believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(pub Vec<IpNet>);

impl TrustedProxies {
    fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The other end of a socket, as limits see it.
    pub(in crate::http) fn peer(&self, address: IpAddr) -> Peer {
        let address = address.to_canonical();
        Peer { address: ClientAddress::of(address), is_proxy: self.contain(address) }
    }

    /// The first address from the right that is not a trusted proxy's. No trusted proxy vouches for what stands to the left of it.
    pub(in crate::http) fn client_of(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.contain(client) {
            return client;
        }
        let forwarded: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        for hop in forwarded.iter().rev() {
            let Some(address) = parse_hop(hop.trim()) else { break };
            client = address;
            if !self.contain(client) {
                break;
            }
        }
        client
    }
}

/// An address as proxies write it: plain, or with a port.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let address = hop.parse::<IpAddr>().ok();
    let with_port = || hop.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    let in_brackets = || hop.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    address.or_else(with_port).or_else(in_brackets).map(|address| address.to_canonical())
}

/// The other end of a socket, and whether it is a proxy with the connections of many clients.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Peer {
    pub address: ClientAddress,
    pub is_proxy: bool,
}

/// What limits count by: an IPv4 address, or an IPv6 /64 network, which providers give to one customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::http) struct ClientAddress(IpAddr);

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ClientAddress {
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let network = u128::from(address) & !u128::from(u64::MAX);
                IpAddr::V6(Ipv6Addr::from(network))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let proxies =
            TrustedProxies(vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_str(value).unwrap());
        }
        proxies.client_of(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn forwarded_addresses_are_believed_from_the_right_as_far_as_proxies_are_trusted() {
        let cases: [(&str, &[&str], &str); 10] = [
            ("203.0.113.9", &["1.1.1.1"], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["6.6.6.6, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["6.6.6.6", "198.51.100.7, 10.2.2.2"], "198.51.100.7"),
            ("10.0.0.1", &["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
            ("10.0.0.1", &["198.51.100.7, nonsense"], "10.0.0.1"),
            ("::ffff:10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
            ("fd00::1", &["[2001:db8::7]:443"], "2001:db8::7"),
            ("10.0.0.1", &["[2001:db8::8]"], "2001:db8::8"),
        ];
        for (peer, forwarded, expected) in cases {
            assert_eq!(client(peer, forwarded), expected, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn mapped_addresses_count_as_ipv4_and_ipv6_by_its_64_bit_network() {
        let of = |address: &str| ClientAddress::of(address.parse().unwrap());
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    }
}
