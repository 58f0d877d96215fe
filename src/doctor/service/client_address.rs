//! Whether the service sees clients' own addresses, by which it limits what one of them may have.

use std::net::{IpAddr, SocketAddr};

use crate::{
    config::Config,
    doctor::finding::{Check, Checked},
};

use super::{
    Service,
    reach::{Diagnosis, MADE_UP_ADDRESS, Reached},
};

pub(super) fn check(service: &Service, reached: &Reached, config: &Config) -> Checked {
    let Reached { diagnosis, own, .. } = reached;
    let checked = Checked::of(Check::ClientAddress);
    let forwarded: Vec<_> =
        diagnosis.forwarded_for.iter().flat_map(|value| value.split(',')).map(str::trim).collect();
    let peer = diagnosis.peer.ip();
    let is_direct = own.is_some_and(|own| is_same(own, diagnosis.peer));
    if is_direct {
        return direct(checked, service, diagnosis.client == MADE_UP_ADDRESS, config);
    }
    let trust = format!(
        "Add the proxy to `http.trusted_proxies`: LKP__HTTP__TRUSTED_PROXIES={peer}, or the network that proxies are in."
    );
    match (forwarded.as_slice(), diagnosis.peer_is_trusted) {
        ([], _) => checked.wrong(
            format!("The proxy at {peer} drops X-Forwarded-For, so the service counts all clients as one, and limits them together."),
            "Have it send the client's address: `proxy_set_header X-Forwarded-For $remote_addr;` in nginx.",
        ),
        (&[MADE_UP_ADDRESS], true) => checked.wrong(
            format!("The proxy at {peer} hands X-Forwarded-For on as clients write it, so anybody passes for anybody else, and limits hold nobody."),
            "Have it put its client's address there instead: `proxy_set_header X-Forwarded-For $remote_addr;` in nginx.",
        ),
        (&[MADE_UP_ADDRESS], false) => nobody_writes(checked, peer),
        (_, false) => checked.wrong(
            format!("The service sees the address of the proxy, {peer}, for every client: it does not believe the X-Forwarded-For of that one, and limits all clients together."),
            trust,
        ),
        (_, true) if diagnosis.client == MADE_UP_ADDRESS => Checked::skipped(
            Check::ClientAddress,
            "this machine's own address is among `http.trusted_proxies`; run this command elsewhere",
        ),
        (hops, true) => behind_trusted(checked, diagnosis, hops),
    }
}

/// To trust the other end would let clients choose their addresses.
fn nobody_writes(checked: Checked, peer: IpAddr) -> Checked {
    checked.wrong(
        format!("Nothing writes the client's address into X-Forwarded-For, so the service sees {peer} for every client, and limits all clients together."),
        format!("Do not add {peer} to `http.trusted_proxies` yet, since clients could then choose their address. If a proxy is there, have it write the header first: `proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;` in nginx. If {peer} is a NAT, such as Docker's gateway, it hides clients' addresses: put a proxy before it that writes them, and let nobody by."),
    )
}

/// The first proxy wrote the first address behind the one that was made up, and that is ours.
fn behind_trusted(checked: Checked, diagnosis: &Diagnosis, hops: &[&str]) -> Checked {
    let (client, peer) = (&diagnosis.client, diagnosis.peer.ip());
    let made_up = hops.iter().position(|hop| *hop == MADE_UP_ADDRESS);
    let written = made_up.map_or(hops, |at| &hops[at + 1..]);
    match written {
        [first, .., _] if !is_client(first, client) => checked.warning(
            format!("The service takes {client} for the client, and a proxy before that one says that it is {first}: all who come by {client} are limited together."),
            format!("If {client} is a proxy of yours, such as a CDN, add it or its network to `http.trusted_proxies` too."),
        ),
        _ => checked.saying(format!("the service sees us as {client}, behind {peer}")),
    }
}

/// Whether a hop, as a proxy wrote it, is what the service counts a client by: an address, or a /64 network of IPv6.
fn is_client(hop: &str, client: &str) -> bool {
    let address = |text: &str| {
        let plain = text.trim_start_matches('[').trim_end_matches(']').parse().ok();
        plain
            .or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
            .map(|ip: IpAddr| ip.to_canonical())
    };
    match (address(hop), address(client)) {
        (Some(IpAddr::V6(hop)), Some(IpAddr::V6(client))) => {
            hop.segments()[..4] == client.segments()[..4]
        }
        (Some(hop), Some(client)) => hop == client,
        (None, _) | (_, None) => hop == client,
    }
}

/// Nothing is between the service and this machine.
fn direct(checked: Checked, service: &Service, believes: bool, config: &Config) -> Checked {
    if believes && !config.http.trusted_proxies.0.is_empty() && service.is_public {
        return Checked::skipped(
            Check::ClientAddress,
            "nothing is between here and the service, and this machine is among `http.trusted_proxies`",
        );
    }
    checked.saying("nothing is between here and the service")
}

fn is_same(own: SocketAddr, seen: SocketAddr) -> bool {
    let plain =
        |address: SocketAddr| -> (IpAddr, u16) { (address.ip().to_canonical(), address.port()) };
    plain(own) == plain(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hop_is_the_client_by_its_address_or_its_network() {
        for (hop, client, expected) in [
            ("203.0.113.9", "203.0.113.9", true),
            ("203.0.113.9:4711", "203.0.113.9", true),
            ("203.0.113.9", "203.0.113.8", false),
            ("2001:db8::7", "2001:db8::", true),
            ("[2001:db8::7]:443", "2001:db8::", true),
            ("2001:db8:0:1::7", "2001:db8::", false),
            ("unknown", "203.0.113.9", false),
        ] {
            assert_eq!(is_client(hop, client), expected, "{hop} {client}");
        }
    }
}
