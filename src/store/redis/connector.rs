//! Makes connections, and finds out what they lead to: one Redis or a Cluster, by RESP3 or RESP2.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use futures_util::FutureExt;
use redis::{ProtocolVersion, PushInfo, RedisError, RedisResult, cluster_async::ClusterConnection};
use tracing::{debug, info};

use super::{
    address::RedisAddress,
    batches::Batches,
    connection::Server,
    nodes::Nodes,
    subscription::{OnPush, Subscription, may_be_the_protocol},
    timeouts::config,
};

pub(super) struct Connector {
    /// As the operator gave it, with the nodes of a Cluster that were found since.
    address: Mutex<RedisAddress>,
    /// The nodes of a Cluster with TLS.
    nodes: Nodes,
    is_cluster: AtomicBool,
    /// `HELLO 3` was refused, and the log says so.
    is_resp2: AtomicBool,
}

impl Connector {
    pub fn new(address: RedisAddress) -> Self {
        Self {
            is_cluster: AtomicBool::new(address.is_cluster()),
            nodes: Nodes::new(address.clone()),
            address: Mutex::new(address),
            is_resp2: AtomicBool::new(false),
        }
    }

    pub fn address(&self) -> RedisAddress {
        self.address.lock().expect("nothing panics while it is locked").clone()
    }

    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// Redis sent us to another node, so it is a Cluster, although `INFO` did not say so.
    pub fn found_cluster(&self) {
        self.is_cluster.store(true, Ordering::Relaxed);
    }

    /// A connection for commands.
    pub async fn connect(&self) -> RedisResult<Server> {
        let protocol = ProtocolVersion::RESP2;
        if self.finds_cluster().await? {
            let builder = self.address().cluster(protocol, &self.nodes.names());
            let mut connection = builder.build()?.get_async_connection().await?;
            self.learn_nodes(&mut connection).await;
            return Ok(Server::Cluster(connection));
        }
        let client = self.address().client(protocol).await?;
        let connected = client.get_multiplexed_async_connection_with_config(&config()).await?;
        Ok(Server::Plain(Batches::new(connected)))
    }

    /// A connection for subscriptions.
    pub async fn subscription(&self, on_push: OnPush) -> RedisResult<Subscription> {
        if self.finds_cluster().await? {
            self.cluster_subscription(on_push).await
        } else {
            self.plain_subscription(on_push).await
        }
    }

    async fn cluster_subscription(&self, on_push: OnPush) -> RedisResult<Subscription> {
        let address = self.address();
        let builder = address
            .cluster(ProtocolVersion::RESP3, &self.nodes.names())
            .push_sender(sender(on_push));
        match builder.build()?.get_async_connection().await {
            Ok(connection) => Ok(Subscription::Cluster(connection)),
            // The library says that no node can be reached. One of them says why.
            Err(error) => Err(refuses_resp3(&address).await.unwrap_or(error)),
        }
    }

    async fn plain_subscription(&self, on_push: OnPush) -> RedisResult<Subscription> {
        let address = self.address();
        let client = address.client(ProtocolVersion::RESP3).await?;
        let config = config().set_push_sender(sender(Arc::clone(&on_push)));
        let error = match client.get_multiplexed_async_connection_with_config(&config).await {
            Ok(connection) => {
                self.is_resp2.store(false, Ordering::Relaxed);
                return Ok(Subscription::Resp3(connection));
            }
            Err(error) => error,
        };
        if !may_be_the_protocol(&error) {
            return Err(error);
        }
        let client = address.client(ProtocolVersion::RESP2).await?;
        let Ok(subscription) = Subscription::resp2(&client, on_push).await else {
            return Err(error);
        };
        if !self.is_resp2.swap(true, Ordering::Relaxed) {
            info!(%error, "Redis refuses HELLO 3, so changes are followed by RESP2");
        }
        Ok(subscription)
    }

    /// Whether Redis is a Cluster. If so, this also learns the names of its nodes that are needed.
    async fn finds_cluster(&self) -> RedisResult<bool> {
        let is_known = self.is_cluster.load(Ordering::Relaxed);
        if !is_known && (self.address().has_sentinels() || !is_cluster(&self.address()).await?) {
            return Ok(false);
        }
        self.is_cluster.store(true, Ordering::Relaxed);
        if self.address().has_tls()
            && let Err(error) = self.nodes.learn().boxed().await
        {
            debug!(%error, "cannot list the nodes of the Cluster");
        }
        Ok(true)
    }

    /// Remembers all nodes, because the configured ones may be gone one day.
    async fn learn_nodes(&self, connection: &mut ClusterConnection) {
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
fn sender(
    on_push: OnPush,
) -> impl Fn(PushInfo) -> Result<(), std::convert::Infallible> + Send + Sync + 'static {
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
