//! The address of Redis, of a Cluster's nodes, or of sentinels.

use std::{fmt, time::Duration};

use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisResult,
    TlsCertificates,
    cluster::{ClusterClient, ClusterClientBuilder},
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};

use super::{
    announced::Announced,
    node_names::NodeNames,
    sentinel::Sentinels,
    timeouts::{ANSWER, CONNECT},
};

/// A connection ends if what was sent is not acknowledged within this time.
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);

/// Where Redis is, as an operator says it.
#[derive(Clone)]
pub struct RedisAddress {
    /// Redis, nodes of a Cluster, or sentinels.
    nodes: Vec<ConnectionInfo>,
    sentinels: Option<Sentinels>,
    authority: Option<Vec<u8>>,
}

impl RedisAddress {
    /// Reads `redis://`, `rediss://` or `unix://` addresses; several, comma separated, are nodes of one Cluster. After
    /// `redis+sentinel://` or `rediss+sentinel://` come sentinels and the name of what they watch.
    ///
    /// # Errors
    /// What is wrong with it, without the password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        for (scheme, is_tls) in [("redis+sentinel://", false), ("rediss+sentinel://", true)] {
            if let Some(rest) = text.strip_prefix(scheme) {
                let (nodes, sentinels) = Sentinels::parse(rest, is_tls)?;
                let nodes = nodes.into_iter().map(with_settings).collect();
                return Ok(Self { nodes, sentinels: Some(sentinels), authority: None });
            }
        }
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
        Ok(Self { nodes, sentinels: None, authority: None })
    }

    /// Trusts the certificates signed by these authorities (PEM), and no others.
    #[must_use]
    pub fn with_authority(mut self, pem: Option<Vec<u8>>) -> Self {
        self.authority = pem;
        self
    }

    pub(crate) fn database(&self) -> i64 {
        self.nodes[0].redis_settings().db()
    }

    pub(crate) fn is_cluster(&self) -> bool {
        self.sentinels.is_none() && self.nodes.len() > 1
    }

    pub(crate) fn has_sentinels(&self) -> bool {
        self.sentinels.is_some()
    }

    pub(crate) fn has_tls(&self) -> bool {
        matches!(self.nodes[0].addr(), ConnectionAddr::TcpTls { .. })
    }

    /// With the certificates that are trusted, as the library takes them.
    pub(crate) fn nodes(&self) -> RedisResult<Vec<ConnectionInfo>> {
        self.nodes.iter().map(|node| self.trusting(node.clone())).collect()
    }

    /// Adds the nodes that `CLUSTER NODES` lists, so that the Cluster can be reached even after the configured ones are gone.
    pub(crate) fn with_nodes(mut self, listed: &str) -> Self {
        let named: Vec<_> = self.nodes.iter().map(|node| node.addr().to_string()).collect();
        let first = self.nodes[0].clone();
        let nodes =
            Announced::all(listed).into_iter().filter_map(|Announced { host, port, .. }| {
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
        let info = address.into_connection_info().map_err(|_| wrong());
        info.map(with_settings)
    }

    fn certificates(&self) -> Option<TlsCertificates> {
        let authority = self.authority.clone()?;
        Some(TlsCertificates { client_tls: None, root_cert: Some(authority) })
    }

    /// A client of the first node, or of the master that sentinels name now.
    pub(crate) async fn client(&self, protocol: ProtocolVersion) -> RedisResult<Client> {
        let mut node = self.nodes[0].clone();
        if let Some(sentinels) = &self.sentinels {
            node = node.set_addr(sentinels.master(&self.nodes, self.certificates()).await?);
        }
        let settings = node.redis_settings().clone().set_protocol(protocol);
        Client::open(self.trusting(node.set_redis_settings(settings))?)
    }

    fn trusting(&self, node: ConnectionInfo) -> RedisResult<ConnectionInfo> {
        match (self.certificates(), node.addr()) {
            (Some(certificates), ConnectionAddr::TcpTls { .. }) => {
                Ok(Client::build_with_tls(node, certificates)?.get_connection_info().clone())
            }
            _ => Ok(node),
        }
    }

    pub(crate) fn cluster(
        &self,
        protocol: ProtocolVersion,
        names: &NodeNames,
    ) -> ClusterClientBuilder {
        let (map, resolver) = names.map();
        let builder = ClusterClient::builder(self.nodes.clone())
            .use_protocol(protocol)
            .connection_timeout(CONNECT)
            .response_timeout(ANSWER)
            .retries(3)
            .node_address_map(map)
            .async_dns_resolver(resolver)
            .tcp_settings(self.nodes[0].tcp_settings().clone());
        match self.certificates() {
            Some(certificates) => builder.certs(certificates),
            None => builder,
        }
    }
}

/// Leaves out the password.
impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: Vec<_> = self.nodes.iter().map(|node| node.addr().to_string()).collect();
        match &self.sentinels {
            None => f.write_str(&nodes.join(",")),
            Some(sentinels) => {
                write!(f, "{} of sentinels {}", sentinels.service(), nodes.join(","))
            }
        }
    }
}

/// Lets the connection notice when its other end is gone. Does not send the library's name, because some proxies refuse that
/// command.
fn with_settings(node: ConnectionInfo) -> ConnectionInfo {
    let tcp = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(TcpKeepalive::new().with_time(Duration::from_secs(10)))
        .set_user_timeout(UNACKNOWLEDGED);
    let redis = node.redis_settings().clone().set_skip_set_lib_name();
    node.set_tcp_settings(tcp).set_redis_settings(redis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentinels_are_named_with_what_they_watch() {
        let parse = |text: &str| RedisAddress::parse(text).unwrap();
        let address = parse(
            "redis+sentinel://user:p%40ss@a,b:26380,[::1]/mymaster/2?sentinel_user=s&sentinel_password=x%26",
        );
        assert_eq!(format!("{address:?}"), "mymaster of sentinels a:26379,b:26380,::1:26379");
        assert_eq!(
            (address.database(), address.is_cluster(), address.has_tls()),
            (2, false, false)
        );
        assert_eq!(address.nodes[0].redis_settings().username(), Some("user"));
        assert_eq!(address.nodes[2].redis_settings().password(), Some("p@ss"));
        assert!(parse("rediss+sentinel://a/mymaster").has_tls());
        for wrong in [
            "redis+sentinel://",
            "redis+sentinel://a:26379",
            "redis+sentinel://a:26379/",
            "redis+sentinel:///mymaster",
            "redis+sentinel://a/mymaster/two",
            "redis+sentinel://a/mymaster/1/2",
            "redis+sentinel://a:secret/mymaster",
            "redis+sentinel://a/mymaster?pasword=secret",
        ] {
            let problem = RedisAddress::parse(wrong).unwrap_err();
            assert!(problem.contains("redis+sentinel://user:password@"), "{wrong}: {problem}");
            assert!(!problem.contains("secret"), "{problem}");
        }
    }

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
