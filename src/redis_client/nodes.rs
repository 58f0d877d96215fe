//! The nodes of a Cluster with TLS: lists them, and keeps the names under which to connect to them.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use redis::{Client, ConnectionInfo, RedisResult};

use super::{
    address::RedisAddress,
    announced::Announced,
    node_names::{NodeNames, connect_as},
    timeouts::{config, no_answer},
};

/// The nodes of a Cluster with TLS, and the names to connect to them.
pub(crate) struct Nodes {
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

    /// Whether names were found since the last call. If so, open connections may lack them.
    pub fn has_changed(&self) -> bool {
        self.has_changed.swap(false, Ordering::Relaxed)
    }

    /// All nodes, as the first node that can be reached lists them.
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
