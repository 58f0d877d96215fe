//! Where Redis is.

use std::{fmt, time::Duration};

use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisResult,
    TlsCertificates,
    cluster::{ClusterClient, ClusterClientBuilder},
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};

use super::link::{ANSWER, CONNECT};

/// What was sent and is not acknowledged for so long ends a connection.
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);

/// Where Redis is, as an operator says it.
#[derive(Clone)]
pub struct RedisAddress {
    nodes: Vec<ConnectionInfo>,
    authority: Option<Vec<u8>>,
}

impl RedisAddress {
    /// Reads `redis://`, `rediss://` or `unix://` addresses; several, comma separated, are nodes of one Cluster.
    ///
    /// # Errors
    /// What is wrong with it. Never says the password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let nodes = text
            .split(',')
            .map(str::trim)
            .filter(|node| !node.is_empty())
            .map(Self::node)
            .collect::<Result<Vec<_>, _>>()?;
        if nodes.is_empty() {
            return Err("is empty".to_owned());
        }
        let is_in_database = |node: &ConnectionInfo| node.redis_settings().db() != 0;
        if nodes.len() > 1 && nodes.iter().any(is_in_database) {
            return Err("names a database, and a Cluster has none but 0".to_owned());
        }
        Ok(Self { nodes, authority: None })
    }

    /// Trusts the certificates signed by these authorities (PEM), and no others.
    #[must_use]
    pub fn with_authority(mut self, pem: Option<Vec<u8>>) -> Self {
        self.authority = pem;
        self
    }

    pub(super) fn database(&self) -> i64 {
        self.nodes[0].redis_settings().db()
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.nodes.len() > 1
    }

    /// With further nodes, as `CLUSTER NODES` lists them: so that the loss of those that were named is not the loss of all.
    pub(super) fn with_nodes(mut self, listed: &str) -> Self {
        let named: Vec<_> = self.nodes.iter().map(|node| node.addr().to_string()).collect();
        let first = self.nodes[0].clone();
        // <id> <ip:port@cport[,hostname]> <flags> …
        let addresses = listed.lines().filter_map(|line| line.split(' ').nth(1)?.split('@').next());
        let parts = addresses.filter_map(|address| address.rsplit_once(':'));
        let nodes = parts.filter_map(|(host, port)| {
            let (host, port) = (host.to_owned(), port.parse().ok().filter(|port| *port > 0)?);
            let address = match first.addr().clone() {
                ConnectionAddr::Tcp(..) => ConnectionAddr::Tcp(host, port),
                ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                    ConnectionAddr::TcpTls { host, port, insecure, tls_params }
                }
                _ => return None,
            };
            Some(first.clone().set_addr(address))
        });
        let new = nodes.filter(|node| !named.contains(&node.addr().to_string()));
        self.nodes.extend(new.collect::<Vec<_>>());
        self
    }

    fn node(address: &str) -> Result<ConnectionInfo, String> {
        let wrong = || {
            "must be like redis://host:6379, redis://user:password@host:6379/0 or rediss://host:6379"
                .to_owned()
        };
        let info = address.into_connection_info().map_err(|_| wrong())?;
        let settings = TcpSettings::default()
            .set_nodelay(true)
            .set_keepalive(TcpKeepalive::new().with_time(Duration::from_secs(10)))
            .set_user_timeout(UNACKNOWLEDGED);
        Ok(info.set_tcp_settings(settings))
    }

    fn certificates(&self) -> Option<TlsCertificates> {
        let authority = self.authority.clone()?;
        Some(TlsCertificates { client_tls: None, root_cert: Some(authority) })
    }

    pub(super) fn client(&self, protocol: ProtocolVersion) -> RedisResult<Client> {
        let node = self.nodes[0].clone();
        let settings = node.redis_settings().clone().set_protocol(protocol);
        let node = node.set_redis_settings(settings);
        match (self.certificates(), node.addr()) {
            (Some(certificates), redis::ConnectionAddr::TcpTls { .. }) => {
                Client::build_with_tls(node, certificates)
            }
            _ => Client::open(node),
        }
    }

    pub(super) fn cluster(&self, protocol: ProtocolVersion) -> ClusterClientBuilder {
        let builder = ClusterClient::builder(self.nodes.clone())
            .use_protocol(protocol)
            .connection_timeout(CONNECT)
            .response_timeout(ANSWER)
            .retries(3)
            .tcp_settings(self.nodes[0].tcp_settings().clone());
        match self.certificates() {
            Some(certificates) => builder.certs(certificates),
            None => builder,
        }
    }
}

/// Without the password.
impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: Vec<_> = self.nodes.iter().map(|node| node.addr().to_string()).collect();
        f.write_str(&nodes.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_tells_of_nodes_that_nobody_named() {
        let address = RedisAddress::parse("rediss://user:secret@a.example.com:7000").unwrap();
        let address = address.with_nodes(
            "07c3 a.example.com:7000@17000 myself,master - 0 1 1 connected 0-5460\n\
             67ed 10.0.0.2:7001@17001,b.example.com slave 07c3 0 1 1 connected\n\
             292f :0@0 master,noaddr - 1 1 3 disconnected\n\
             e7d1 [::1]:7002@17002 master - 0 1 2 connected 5461-10922\n",
        );
        let nodes = format!("{address:?}");
        assert_eq!(nodes, "a.example.com:7000,10.0.0.2:7001,[::1]:7002");
        assert!(!nodes.contains("secret"));
        assert!(address.nodes.iter().all(|node| node.redis_settings().username() == Some("user")));
    }
}
