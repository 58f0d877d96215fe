//! A real Redis Cluster: three masters, each with a replica.

use futures_util::future::join_all;

use super::{RedisServer, Reply, free_port, patiently};

const MASTERS: usize = 3;
const SLOTS: u16 = 16_384;
/// Short, so that a test sees a failover; long enough for a busy machine.
const NODE_TIMEOUT_MILLIS: &str = "1500";

/// The nodes of a Cluster. The first ones are its masters in the beginning.
pub struct RedisCluster {
    pub nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts a Cluster, and waits until it takes commands and its replicas have copied their masters.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts each node with further arguments.
    pub async fn with(arguments: &[&str]) -> Self {
        Self::assemble(arguments, false).await
    }

    /// Starts a Cluster that speaks TLS. Its nodes announce 127.0.0.1, but their certificates name `localhost` alone.
    pub async fn with_tls() -> Self {
        Self::assemble(&["--tls-cluster", "yes", "--tls-replication", "yes"], true).await
    }

    async fn assemble(arguments: &[&str], has_tls: bool) -> Self {
        let bus_ports: Vec<_> = (0..2 * MASTERS).map(|_| free_port()).collect();
        let nodes = bus_ports.iter().map(|port| async move {
            let own = [
                ["--cluster-enabled", "yes"],
                ["--cluster-node-timeout", NODE_TIMEOUT_MILLIS],
                ["--cluster-port", &port.to_string()],
                ["--cluster-replica-validity-factor", "0"],
                ["--cluster-allow-replica-migration", "no"],
            ];
            let all = [own.as_flattened(), arguments].concat();
            if has_tls {
                RedisServer::with_tls_in_cluster(&all).await
            } else {
                RedisServer::with(&all).await
            }
        });
        let cluster = Self { nodes: join_all(nodes).await };
        cluster.introduce(&bus_ports).await;
        cluster.share_slots().await;
        cluster.assign_replicas().await;
        cluster
    }

    /// The address of one node. A client learns the others from it.
    pub fn url(&self) -> String {
        self.nodes[0].url()
    }

    /// Kills all nodes at once and starts them again with the data on their disks.
    pub async fn restarts(&mut self) {
        join_all(self.nodes.iter_mut().map(RedisServer::kill)).await;
        join_all(self.nodes.iter_mut().map(RedisServer::start_again)).await;
        self.all_say("cluster_state:ok").await;
    }

    /// Kills a master of the beginning once its replica has all that it holds.
    pub async fn kill_master(&mut self, master: usize) {
        self.nodes[master + MASTERS].has_all_of(&self.nodes[master]).await;
        self.nodes[master].kill().await;
    }

    /// Waits until the replica of a master that was killed is the master.
    pub async fn until_replica_is_master(&self, of: usize) {
        let promoted = &self.nodes[of + MASTERS];
        patiently("the replica to take over", async || {
            promoted.ask(&["INFO", "replication"]).await.text().contains("role:master")
        })
        .await;
    }

    /// The node that is the master of a key's slot now, as its peers say.
    pub async fn master_of(&self, key: &str) -> usize {
        let slot: u16 =
            self.anybody().ask(&["CLUSTER", "KEYSLOT", key]).await.text().parse().unwrap();
        let Reply::List(ranges) = self.anybody().ask(&["CLUSTER", "SLOTS"]).await else {
            panic!("no list of slots")
        };
        for range in ranges {
            let Reply::List(range) = range else { panic!("no range") };
            let bound = |index: usize| range[index].text().parse::<u16>().unwrap();
            if (bound(0)..=bound(1)).contains(&slot) {
                let Reply::List(master) = &range[2] else { panic!("no node") };
                return self.index(master[1].text().parse().unwrap());
            }
        }
        panic!("nobody has slot {slot}")
    }

    /// Moves a slot with its keys to another master, in the steps of `redis-cli --cluster reshard`.
    pub async fn move_slot(&self, slot: u16, from: usize, to: usize) {
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        let (source_id, target_id) = (id(source).await, id(target).await);
        let slot = slot.to_string();
        target.ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source_id]).await;
        source.ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target_id]).await;
        loop {
            let keys = source.ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "3"]).await.texts();
            if keys.is_empty() {
                break;
            }
            let port = target.port.to_string();
            let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            migrate.extend(keys.iter().map(String::as_str));
            source.ask(&migrate).await;
        }
        for node in [target, source] {
            node.ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &target_id]).await;
        }
    }

    pub async fn slot_of(&self, key: &str) -> u16 {
        self.anybody().ask(&["CLUSTER", "KEYSLOT", key]).await.text().parse().unwrap()
    }

    fn anybody(&self) -> &RedisServer {
        self.nodes.iter().find(|node| node.is_running()).expect("somebody runs")
    }

    fn index(&self, port: u16) -> usize {
        self.nodes.iter().position(|node| node.port == port).expect("a node of ours")
    }

    async fn introduce(&self, bus_ports: &[u16]) {
        for (node, bus_port) in self.nodes.iter().zip(bus_ports).skip(1) {
            let (port, bus_port) = (node.port.to_string(), bus_port.to_string());
            self.nodes[0].ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus_port]).await;
        }
        let everybody = format!("cluster_known_nodes:{}", self.nodes.len());
        self.all_say(&everybody).await;
    }

    async fn share_slots(&self) {
        let each = SLOTS / u16::try_from(MASTERS).unwrap();
        for (index, node) in (0..).zip(&self.nodes[..MASTERS]) {
            let is_last = usize::from(index) + 1 == MASTERS;
            let last = if is_last { SLOTS - 1 } else { (index + 1) * each - 1 };
            let (first, last) = ((index * each).to_string(), last.to_string());
            node.ask(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await;
        }
        self.all_say("cluster_state:ok").await;
    }

    async fn assign_replicas(&self) {
        for (master, replica) in self.nodes[..MASTERS].iter().zip(&self.nodes[MASTERS..]) {
            replica.ask(&["CLUSTER", "REPLICATE", &id(master).await]).await;
        }
        for replica in &self.nodes[MASTERS..] {
            patiently("the replica to be up to date", async || {
                let info = replica.ask(&["INFO", "replication"]).await.text();
                info.contains("master_link_status:up")
            })
            .await;
        }
    }

    async fn all_say(&self, what: &str) {
        patiently(what, async || {
            let infos = join_all(self.nodes.iter().map(state)).await;
            infos.iter().all(|info| info.as_ref().is_some_and(|info| info.contains(what)))
        })
        .await;
    }
}

async fn id(node: &RedisServer) -> String {
    node.ask(&["CLUSTER", "MYID"]).await.text()
}

/// What a node says of the Cluster; none where it does not run.
async fn state(node: &RedisServer) -> Option<String> {
    Some(node.try_ask(&["CLUSTER", "INFO"]).await.ok()?.text())
}
