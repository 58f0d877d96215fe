//! Names for the nodes of a Cluster with TLS that announce addresses which their certificates do not name, as managed services
//! do: the certificate names a host, `CLUSTER SLOTS` an IP address.
//!
//! A node is asked under its own address first. Only where its certificate does not have that, it is asked under a name that an
//! operator or the node itself gave: its announced host name, the named host that resolves to its address, the named hosts. So
//! every certificate is verified for a host that was named, and none for nothing.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::future::join_all;
use redis::{
    Client, ConnectionAddr, ConnectionInfo, RedisFuture, RedisResult, aio::MultiplexedConnection,
    cluster::NodeAddress, io::AsyncDNSResolver,
};
use tokio::net::lookup_host;

use super::{
    RedisAddress,
    link::{config, no_answer},
};

/// A node as `CLUSTER NODES` has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Announced {
    pub host: String,
    pub port: u16,
    /// Its host name, where it announces one beside its address (Redis 7).
    pub name: Option<String>,
}

impl Announced {
    /// Reads `CLUSTER NODES`: `<id> <ip:port@cport[,hostname]> <flags> …`.
    pub fn all(listed: &str) -> Vec<Self> {
        let nodes = listed.lines().filter_map(|line| line.split(' ').nth(1));
        nodes.filter_map(Self::parse).collect()
    }

    fn parse(node: &str) -> Option<Self> {
        let (address, rest) = node.split_once('@')?;
        let (host, port) = address.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port > 0)?;
        let name = rest.split(',').nth(1).filter(|name| !name.is_empty() && !name.contains('='));
        Some(Self { host: host.to_owned(), port, name: name.map(str::to_owned) })
    }

    fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }
}

/// The nodes of a Cluster with TLS, and under which names they are asked.
pub(super) struct Nodes {
    /// As the operator named them.
    named: RedisAddress,
    names: Mutex<NodeNames>,
    has_changed: AtomicBool,
}

impl Nodes {
    pub fn new(named: RedisAddress) -> Self {
        Self { named, names: Mutex::default(), has_changed: AtomicBool::new(false) }
    }

    pub fn names(&self) -> NodeNames {
        self.names.lock().expect("nothing panics while it is locked").clone()
    }

    /// Finds names for nodes that have none yet.
    pub async fn learn(&self) -> RedisResult<()> {
        let seeds = self.named.nodes()?;
        let before = self.names();
        let mut names = before.clone();
        names.learn(&seeds, self.list(&seeds).await?).await;
        if names.all() != before.all() {
            self.has_changed.store(true, Ordering::Relaxed);
        }
        *self.names.lock().expect("nothing panics while it is locked") = names;
        Ok(())
    }

    /// Whether names were found since the last time, so that there may be connections that lack them.
    pub fn has_changed(&self) -> bool {
        self.has_changed.swap(false, Ordering::Relaxed)
    }

    /// All nodes, as the first says that can be reached.
    async fn list(&self, seeds: &[ConnectionInfo]) -> RedisResult<Vec<Announced>> {
        let mut command = redis::cmd("CLUSTER");
        command.arg("NODES");
        let mut failed = no_answer();
        for seed in seeds {
            let client = Client::open(seed.clone())?;
            match client.get_multiplexed_async_connection_with_config(&config()).await {
                Ok(mut connection) => {
                    let listed: String = command.query_async(&mut connection).await?;
                    return Ok(Announced::all(&listed));
                }
                Err(error) => failed = error,
            }
        }
        for (node, name) in self.names().named() {
            if let Ok(mut connection) = connect_as(&seeds[0], node, name).await {
                let listed: String = command.query_async(&mut connection).await?;
                return Ok(Announced::all(&listed));
            }
        }
        Err(failed)
    }
}

/// Names of nodes. None for a node whose certificate has its own address.
#[derive(Clone, Default)]
pub(super) struct NodeNames {
    found: HashMap<Announced, Option<String>>,
    /// Of nodes that cannot be reached now, and most likely are like the others.
    guessed: HashMap<Announced, Option<String>>,
}

impl NodeNames {
    /// `seeds` are those that the operator named.
    async fn learn(&mut self, seeds: &[ConnectionInfo], nodes: Vec<Announced>) {
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

    fn all(&self) -> HashMap<&Announced, &Option<String>> {
        self.found.iter().chain(&self.guessed).collect()
    }

    /// The nodes that have names.
    fn named(&self) -> impl Iterator<Item = (&Announced, &str)> {
        let all = self.found.iter().chain(&self.guessed);
        all.filter_map(|(node, name)| Some((node, name.as_deref()?)))
    }

    /// For the library, which connects to a node under the name that this maps it to, at the address that the resolver gives
    /// for that: since nodes share a name, a port that nobody listens on tells them apart.
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

/// Resolves what the map made of nodes' addresses; everything else as the system does.
#[derive(Default)]
pub(super) struct Resolver(HashMap<(String, u16), (String, u16)>);

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
async fn connect_as(
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

/// None where the node cannot be reached.
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

    #[test]
    fn nodes_are_read_as_a_cluster_lists_them() {
        let nodes = Announced::all(
            "07c3 10.0.0.1:7000@17000 myself,master - 0 1 1 connected 0-5460\n\
             67ed 10.0.0.2:7001@17001,b.example.com slave 07c3 0 1 1 connected\n\
             77ed 10.0.0.4:7001@17001,,shard-id=69bc slave 07c3 0 1 1 connected\n\
             292f :0@0 master,noaddr - 1 1 3 disconnected\n\
             e7d1 ::1:7002@17002 master - 0 1 2 connected 5461-10922\n",
        );
        let of = |host: &str, port, name: Option<&str>| Announced {
            host: host.to_owned(),
            port,
            name: name.map(str::to_owned),
        };
        assert_eq!(
            nodes,
            [
                of("10.0.0.1", 7000, None),
                of("10.0.0.2", 7001, Some("b.example.com")),
                of("10.0.0.4", 7001, None),
                of("::1", 7002, None),
            ]
        );
    }

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
