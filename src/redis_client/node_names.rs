//! Names for the nodes of a Cluster with TLS that announce addresses which their certificates do not name. Managed services do
//! that: the certificate names a host, `CLUSTER SLOTS` an IP address.
//!
//! A node is first tried under its own address. Only if its certificate does not have that, it is tried under names that the
//! operator or the node itself gave: its announced host name, the named host that resolves to its address, the other named hosts.
//! So every certificate is verified for a host that somebody named.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
};

use futures_util::future::join_all;
use redis::{
    Client, ConnectionAddr, ConnectionInfo, RedisFuture, RedisResult, aio::MultiplexedConnection,
    cluster::NodeAddress, io::AsyncDNSResolver,
};
use tokio::net::lookup_host;

use super::{announced::Announced, timeouts::config};

/// Names of nodes. A node whose certificate has its own address needs none.
#[derive(Clone, Default)]
pub(crate) struct NodeNames {
    found: HashMap<Announced, Option<String>>,
    /// Names for nodes that cannot be reached now. They most likely need the same name as the others.
    guessed: HashMap<Announced, Option<String>>,
}

impl NodeNames {
    /// Finds names for nodes that have none yet. `seeds` are the nodes that the operator named.
    pub async fn learn(&mut self, seeds: &[ConnectionInfo], nodes: Vec<Announced>) {
        let is_new = |node: &Announced| !self.found.contains_key(node) && !is_seed(seeds, node);
        let new: Vec<_> = nodes.into_iter().filter(is_new).collect();
        let found = join_all(new.iter().map(|node| name_of(seeds, node))).await;
        self.guessed.clear();
        let mut unreachable = Vec::new();
        for (node, found) in new.into_iter().zip(found) {
            match found {
                Some(name) => drop(self.found.insert(node, name)),
                None => unreachable.push(node),
            }
        }
        let usual = self.found.values().flatten().next().cloned();
        self.guessed = unreachable.into_iter().map(|node| (node, usual.clone())).collect();
    }

    pub fn all(&self) -> HashMap<&Announced, &Option<String>> {
        self.found.iter().chain(&self.guessed).collect()
    }

    /// The nodes that have names.
    pub fn named(&self) -> impl Iterator<Item = (&Announced, &str)> {
        let all = self.found.iter().chain(&self.guessed);
        all.filter_map(|(node, name)| Some((node, name.as_deref()?)))
    }

    /// For the library: it connects to a node under the name that the map gives, at the address that the resolver gives for this
    /// name. Because nodes may share a name, the map gives each a port of its own that no node listens on.
    pub fn map(&self) -> (HashMap<NodeAddress, NodeAddress>, Resolver) {
        let (mut map, mut resolver) = (HashMap::new(), Resolver::default());
        let taken: Vec<_> = self.all().keys().map(|node| node.port).collect();
        let ports = (1..=u16::MAX).filter(|port| !taken.contains(port));
        for ((node, name), port) in self.named().zip(ports) {
            map.insert(NodeAddress::new(node.bare_host(), node.port), NodeAddress::new(name, port));
            let real = (node.bare_host().to_owned(), node.port);
            resolver.0.insert((name.to_owned(), port), real);
        }
        (map, resolver)
    }
}

/// Resolves the names and ports of the map to nodes, and everything else as the system does.
#[derive(Default)]
pub(crate) struct Resolver(HashMap<(String, u16), (String, u16)>);

impl AsyncDNSResolver for Resolver {
    fn resolve<'a, 'b: 'a>(
        &'a self,
        host: &'b str,
        port: u16,
    ) -> RedisFuture<'a, Box<dyn Iterator<Item = SocketAddr> + Send + 'a>> {
        let real = self.0.get(&(host.to_owned(), port)).cloned();
        let (host, port) = real.unwrap_or_else(|| (host.to_owned(), port));
        Box::pin(async move {
            let found: Vec<_> = lookup_host((host, port)).await?.collect();
            Ok(Box::new(found.into_iter()) as Box<dyn Iterator<Item = SocketAddr> + Send>)
        })
    }
}

/// Connects to a node under a name.
pub(crate) async fn connect_as(
    info: &ConnectionInfo,
    node: &Announced,
    name: &str,
) -> RedisResult<MultiplexedConnection> {
    let ConnectionAddr::TcpTls { insecure, tls_params, .. } = info.addr().clone() else {
        return Client::open(info.clone())?.get_multiplexed_async_connection().await;
    };
    let (host, port) = (name.to_owned(), node.port);
    let mut resolver = Resolver::default();
    resolver.0.insert((host.clone(), port), (node.bare_host().to_owned(), port));
    let config = config().set_dns_resolver(resolver);
    let address = ConnectionAddr::TcpTls { host, port, insecure, tls_params };
    let client = Client::open(info.clone().set_addr(address))?;
    client.get_multiplexed_async_connection_with_config(&config).await
}

fn is_seed(seeds: &[ConnectionInfo], node: &Announced) -> bool {
    seeds.iter().any(|seed| *seed.addr().to_string() == format!("{}:{}", node.host, node.port))
}

/// The name that a node needs, if any; none if the node cannot be reached.
async fn name_of(seeds: &[ConnectionInfo], node: &Announced) -> Option<Option<String>> {
    match connect_as(&seeds[0], node, node.bare_host()).await {
        Ok(_) => return Some(None),
        Err(error) if !is_about_the_certificate(&error) => return None,
        Err(_) => {}
    }
    for name in candidates(seeds, node).await {
        if connect_as(&seeds[0], node, &name).await.is_ok() {
            return Some(Some(name));
        }
    }
    None
}

async fn candidates(seeds: &[ConnectionInfo], node: &Announced) -> Vec<String> {
    let mut names: Vec<_> = node.name.iter().cloned().collect();
    let mut others = Vec::new();
    for seed in seeds {
        let ConnectionAddr::TcpTls { host, port, .. } = seed.addr() else { continue };
        if host.parse::<IpAddr>().is_ok() {
            continue;
        }
        let resolved = lookup_host((host.as_str(), *port)).await.ok();
        let is_it = resolved.is_some_and(|mut addresses| {
            addresses.any(|address| address.ip().to_string() == node.bare_host())
        });
        if is_it { names.push(host.clone()) } else { others.push(host.clone()) }
    }
    names.extend(others);
    names.dedup();
    names
}

fn is_about_the_certificate(error: &redis::RedisError) -> bool {
    error.to_string().contains("certificate")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nodes_under_one_name_keep_their_own_addresses() {
        let mut names = NodeNames::default();
        for ip in ["127.0.0.1", "127.0.0.2"] {
            let node = Announced { host: ip.to_owned(), port: 6379, name: None };
            names.found.insert(node, Some("cluster.example.com".to_owned()));
        }
        let (map, resolver) = names.map();
        for ip in ["127.0.0.1", "127.0.0.2"] {
            let mapped = &map[&NodeAddress::new(ip, 6379)];
            assert_eq!(mapped.host(), "cluster.example.com");
            let mut found = resolver.resolve(mapped.host(), mapped.port()).await.unwrap();
            assert_eq!(found.next().unwrap(), format!("{ip}:6379").parse().unwrap());
        }
    }
}
