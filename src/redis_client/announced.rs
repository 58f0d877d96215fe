//! The nodes of a Cluster as it announces them.

/// A node as `CLUSTER NODES` has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Announced {
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

    /// Its host without the brackets of an IPv6 address.
    pub fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }
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
}
