//! Makes connections, and finds out what they lead to: one Redis or a Cluster.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::FutureExt;
use redis::{
    ProtocolVersion, PushInfo, RedisError, RedisResult, aio::MultiplexedConnection,
    cluster_async::ClusterConnection,
};
use tracing::debug;

use super::{address::RedisAddress, nodes::Nodes, timeouts::config};

/// Takes what Redis pushes. Must not wait.
pub(crate) type OnPush = Arc<dyn Fn(PushInfo) + Send + Sync>;

/// Connects to an address.
pub(crate) struct Connector {
    /// As the operator gave it, with the nodes of a Cluster that were found since.
    address: Mutex<RedisAddress>,
    /// The nodes of a Cluster with TLS.
    nodes: Nodes,
    is_cluster: AtomicBool,
}

impl Connector {
    pub fn new(address: RedisAddress) -> Self {
        Self {
            is_cluster: AtomicBool::new(address.is_cluster()),
            nodes: Nodes::new(address.clone()),
            address: Mutex::new(address),
        }
    }

    pub fn address(&self) -> RedisAddress {
        self.address.lock().expect("nothing panics while it is locked").clone()
    }

    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// Whether it is known that the address leads to a Cluster.
    pub fn is_cluster(&self) -> bool {
        self.is_cluster.load(Ordering::Relaxed)
    }

    /// Redis told, or sent us to another node, so it is a Cluster.
    pub fn found_cluster(&self) {
        self.is_cluster.store(true, Ordering::Relaxed);
    }

    /// A connection to one Redis by RESP2, on which nothing is pushed.
    pub async fn plain(&self) -> RedisResult<MultiplexedConnection> {
        let client = self.address().client(ProtocolVersion::RESP2).await?;
        client.get_multiplexed_async_connection_with_config(&config()).await
    }

    /// A connection to one Redis by RESP3. What Redis pushes goes to `on_push`.
    pub async fn plain_with_pushes(&self, on_push: OnPush) -> RedisResult<MultiplexedConnection> {
        let client = self.address().client(ProtocolVersion::RESP3).await?;
        let config = config().set_push_sender(sender(on_push));
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// A connection to a Cluster by RESP2, on which nothing is pushed.
    pub async fn cluster(&self) -> RedisResult<ClusterConnection> {
        let builder = self.address().cluster(ProtocolVersion::RESP2, &self.nodes.names());
        builder.build()?.get_async_connection().await
    }

    /// A connection to a Cluster by RESP3. What its nodes push goes to `on_push`.
    pub async fn cluster_with_pushes(&self, on_push: OnPush) -> RedisResult<ClusterConnection> {
        let address = self.address();
        let builder = address
            .cluster(ProtocolVersion::RESP3, &self.nodes.names())
            .push_sender(sender(on_push));
        match builder.build()?.get_async_connection().await {
            Ok(connection) => Ok(connection),
            // The library says that no node can be reached. One of them says why.
            Err(error) => Err(refuses_resp3(&address).await.unwrap_or(error)),
        }
    }

    /// Whether Redis is a Cluster. If so, this also learns the names of its nodes that are needed.
    pub async fn finds_cluster(&self) -> RedisResult<bool> {
        if !self.is_cluster()
            && (self.address().has_sentinels() || !is_cluster(&self.address()).await?)
        {
            return Ok(false);
        }
        self.found_cluster();
        self.learn_names().await;
        Ok(true)
    }

    /// Finds the names under which to connect to the nodes of a Cluster with TLS.
    pub async fn learn_names(&self) {
        if self.address().has_tls()
            && let Err(error) = self.nodes.learn().boxed().await
        {
            debug!(%error, "cannot list the nodes of the Cluster");
        }
    }

    /// Remembers all nodes, because the configured ones may be gone one day.
    pub async fn learn_nodes(&self, connection: &mut ClusterConnection) {
        let listed: RedisResult<String> =
            redis::cmd("CLUSTER").arg("NODES").query_async(connection).await;
        if let Ok(listed) = listed {
            let known = self.address();
            *self.address.lock().expect("nothing panics while it is locked") =
                known.with_nodes(&listed);
        }
    }
}

/// As the library takes it.
fn sender(on_push: OnPush) -> impl Fn(PushInfo) -> Result<(), Infallible> + Send + Sync + 'static {
    move |push| {
        on_push(push);
        Ok(())
    }
}

/// The error of a node that takes connections, but none by RESP3.
async fn refuses_resp3(address: &RedisAddress) -> Option<RedisError> {
    let client = address.client(ProtocolVersion::RESP3).await.ok()?;
    let refused = client.get_multiplexed_async_connection_with_config(&config()).await.err()?;
    (!refused.is_unrecoverable_error()).then_some(refused)
}

/// Whether RESP2 may work where RESP3 failed with this error. Some proxies answer `HELLO` by closing the connection.
pub(crate) fn may_be_the_protocol(error: &RedisError) -> bool {
    !error.is_timeout() && !error.is_connection_refusal()
}

/// Whether the one node that was named belongs to a Cluster.
async fn is_cluster(address: &RedisAddress) -> RedisResult<bool> {
    let client = address.client(ProtocolVersion::RESP2).await?;
    let mut connection = client.get_multiplexed_async_connection_with_config(&config()).await?;
    let info: RedisResult<String> =
        redis::cmd("INFO").arg("cluster").query_async(&mut connection).await;
    match info {
        Ok(info) => Ok(info.lines().any(|line| line.trim() == "cluster_enabled:1")),
        // Services that are like Redis may not know the section.
        Err(error) if error.is_unrecoverable_error() || error.is_timeout() => Err(error),
        Err(_) => Ok(false),
    }
}
