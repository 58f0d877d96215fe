//! The connection to Redis, or to a Cluster of them, which is recognised by itself.

use std::{
    sync::{
        Arc, Mutex as StdMutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, Pipeline, ProtocolVersion, PushInfo,
    RedisError, RedisFuture, RedisResult, ServerErrorKind, Value, aio::ConnectionLike,
    cluster_async::ClusterConnection,
};
use tokio::{
    sync::{Mutex, Notify},
    time::{sleep, timeout},
};
use tracing::{debug, info, warn};

use crate::{error_chain::Chain, store::StoreError};

use super::{
    RedisAddress,
    batches::Batches,
    error::failed,
    node_names::Nodes,
    scripts::Call,
    subscription::{OnPush, Subscription, may_be_the_protocol},
};

/// A connection has to be there within this time, TLS and authentication included.
pub(super) const CONNECT: Duration = Duration::from_secs(2);
/// An answer has to be there within this time. Webhooks are answered within five seconds whatever happens.
pub(super) const ANSWER: Duration = Duration::from_millis(2_500);
/// After an attempt to connect failed, calls that find no connection fail too, for this time.
const CONNECT_AGAIN: Duration = Duration::from_millis(100);
/// After the nodes of a Cluster were looked at, they are not looked at again for this time.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// After this many calls in a row without an answer the connection is given up: its other end may be gone without a word.
const MAX_SILENT: u32 = 2;

/// A connection to one Redis or to a Cluster. Cheap to clone; calls of all clones go out together.
#[derive(Clone)]
pub(super) struct Connection {
    generation: u64,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Plain(Batches),
    Cluster(ClusterConnection),
}

impl Connection {
    pub fn is_cluster(&self) -> bool {
        matches!(self.kind, Kind::Cluster(_))
    }

    /// Shards have channels of their own.
    pub fn publish_command(&self) -> &'static [u8] {
        if self.is_cluster() { b"SPUBLISH" } else { b"PUBLISH" }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match &mut self.kind {
            Kind::Plain(connection) => connection.send(cmd).boxed(),
            Kind::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match &mut self.kind {
            Kind::Plain(connection) => {
                connection.connection().req_packed_commands(pipeline, offset, count)
            }
            Kind::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match &self.kind {
            Kind::Plain(connection) => connection.db(),
            Kind::Cluster(connection) => connection.get_db(),
        }
    }
}

/// Keeps one connection for commands, and makes others for subscriptions.
pub(super) struct Link {
    /// With the nodes of a Cluster that were found.
    address: StdMutex<RedisAddress>,
    /// Of a Cluster with TLS.
    nodes: Nodes,
    is_cluster: AtomicBool,
    current: Mutex<Current>,
    /// Calls in a row that got no answer.
    silent: AtomicU32,
    /// The last attempt to connect failed, which was said.
    is_away: AtomicBool,
    /// `HELLO 3` was refused, which was said.
    is_resp2: AtomicBool,
    /// The server is no longer the one to talk to.
    pub moved: Notify,
    /// A Cluster with TLS failed a call: it may have got a node whose certificate has another name.
    doubted: Notify,
}

#[derive(Default)]
struct Current {
    connection: Option<Connection>,
    generation: u64,
    failed: Option<(Instant, StoreError)>,
}

impl Link {
    pub fn new(address: RedisAddress) -> Self {
        Self {
            is_cluster: AtomicBool::new(address.is_cluster()),
            nodes: Nodes::new(address.clone()),
            address: StdMutex::new(address),
            current: Mutex::default(),
            silent: AtomicU32::new(0),
            is_away: AtomicBool::new(false),
            is_resp2: AtomicBool::new(false),
            moved: Notify::new(),
            doubted: Notify::new(),
        }
    }

    /// The connection for commands; makes one where there is none.
    pub async fn connection(&self) -> Result<Connection, StoreError> {
        let mut current = self.current.lock().await;
        if let Some(connection) = &current.connection {
            return Ok(connection.clone());
        }
        if let Some((at, error)) = &current.failed
            && at.elapsed() < CONNECT_AGAIN
        {
            return Err(error.clone());
        }
        match self.reach(self.connect().boxed()).await {
            Ok(kind) => {
                current.failed = None;
                current.generation += 1;
                let connection = Connection { generation: current.generation, kind };
                current.connection = Some(connection.clone());
                self.silent.store(0, Ordering::Relaxed);
                let cluster = connection.is_cluster();
                info!(address = ?self.address(), cluster, "connected to Redis");
                Ok(connection)
            }
            Err(error) => {
                current.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// A connection of its own for subscriptions. Each push goes to `on_push`, which must not wait.
    pub async fn subscriber(
        &self,
        on_push: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Subscription, StoreError> {
        self.reach(self.subscription(Arc::new(on_push)).boxed()).await
    }

    /// Makes the connections to a Cluster with TLS again when it got nodes whose certificates have other names.
    pub async fn watch_nodes(&self) {
        loop {
            self.doubted.notified().await;
            let _ = timeout(CONNECT * 2, self.nodes.learn()).await;
            if self.nodes.has_changed() {
                self.current.lock().await.connection = None;
                self.moved.notify_one();
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Runs a script.
    pub async fn invoke<T: FromRedisValue>(
        &self,
        mut connection: Connection,
        call: &Call<'_>,
    ) -> Result<T, StoreError> {
        let (generation, is_cluster) = (connection.generation, connection.is_cluster());
        let answer = timeout(ANSWER, async {
            match call.by_hash().query_async(&mut connection).await {
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    call.by_text().query_async(&mut connection).await
                }
                answer => answer,
            }
        })
        .await;
        self.settle(generation, is_cluster, answer.unwrap_or_else(|_| Err(no_answer()))).await
    }

    /// Runs a command.
    pub async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let mut connection = self.connection().await?;
        let (generation, is_cluster) = (connection.generation, connection.is_cluster());
        let answer = timeout(ANSWER, command.query_async(&mut connection)).await;
        self.settle(generation, is_cluster, answer.unwrap_or_else(|_| Err(no_answer()))).await
    }

    /// The same, about a key that another program may use for something of another type: then there is nothing of ours.
    pub async fn query_ours<T: FromRedisValue>(
        &self,
        command: &Cmd,
    ) -> Result<Option<T>, StoreError> {
        let mut connection = self.connection().await?;
        let (generation, is_cluster) = (connection.generation, connection.is_cluster());
        let answer = timeout(ANSWER, command.query_async(&mut connection)).await;
        match answer.unwrap_or_else(|_| Err(no_answer())) {
            Err(error) if error.code() == Some("WRONGTYPE") => Ok(None),
            answer => self.settle(generation, is_cluster, answer).await.map(Some),
        }
    }

    /// Gives up a connection that does not work; the next call makes a new one.
    async fn settle<T>(
        &self,
        generation: u64,
        is_cluster: bool,
        answer: RedisResult<T>,
    ) -> Result<T, StoreError> {
        let error = match answer {
            Ok(value) => {
                self.silent.store(0, Ordering::Relaxed);
                return Ok(value);
            }
            Err(error) => error,
        };
        let is_silent =
            error.is_timeout() && self.silent.fetch_add(1, Ordering::Relaxed) + 1 >= MAX_SILENT;
        let is_broken = error.is_unrecoverable_error() || error.is_connection_dropped();
        if is_cluster && self.address().has_tls() {
            self.doubted.notify_one();
        }
        // Redis in a Cluster that could not be recognised, since `INFO` was refused.
        let is_elsewhere = matches!(
            error.kind(),
            ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask)
        );
        if is_elsewhere && !is_cluster && !self.address().has_sentinels() {
            self.is_cluster.store(true, Ordering::Relaxed);
        }
        // A master that became a replica keeps its connections.
        let is_replica = matches!(
            error.kind(),
            ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)
        );
        // A Cluster's makes new connections to its nodes by itself, and one node's fault is not the others'.
        if is_silent || !is_cluster && (is_broken || is_replica || is_elsewhere) {
            let mut current = self.current.lock().await;
            let is_given_up =
                current.generation == generation && current.connection.take().is_some();
            if is_given_up && (is_replica || is_elsewhere) {
                self.moved.notify_one();
            }
        }
        Err(failed(&error))
    }

    /// Waits for a connection as long as one may take, and says when Redis goes and comes.
    async fn reach<T>(
        &self,
        connecting: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, StoreError> {
        let connected = timeout(CONNECT * 2, connecting).await;
        let connected = connected.unwrap_or_else(|_| Err(no_answer()));
        let was_away = self.is_away.swap(connected.is_err(), Ordering::Relaxed);
        let address = self.address();
        match connected {
            Ok(connected) => {
                if was_away {
                    info!(?address, "Redis can be reached again");
                }
                Ok(connected)
            }
            Err(error) => {
                let failed = failed(&error);
                if !was_away {
                    let error = Chain(&failed);
                    warn!(?address, %error, "cannot connect to Redis; trying again");
                }
                Err(failed)
            }
        }
    }

    async fn connect(&self) -> RedisResult<Kind> {
        let protocol = ProtocolVersion::RESP2;
        if self.finds_cluster().await? {
            let builder = self.address().cluster(protocol, &self.nodes.names());
            let mut connection = builder.build()?.get_async_connection().await?;
            self.learn_nodes(&mut connection).await;
            return Ok(Kind::Cluster(connection));
        }
        let client = self.address().client(protocol).await?;
        let connected = client.get_multiplexed_async_connection_with_config(&config()).await?;
        Ok(Kind::Plain(Batches::new(connected)))
    }

    async fn subscription(&self, on_push: OnPush) -> RedisResult<Subscription> {
        let protocol = ProtocolVersion::RESP3;
        let push = {
            let on_push = Arc::clone(&on_push);
            move |info: PushInfo| {
                on_push(info);
                Ok::<(), std::convert::Infallible>(())
            }
        };
        let is_cluster = self.finds_cluster().await?;
        let address = self.address();
        if is_cluster {
            let builder = address.cluster(protocol, &self.nodes.names()).push_sender(push);
            let connected = builder.build()?.get_async_connection().await;
            return match connected {
                Ok(connection) => Ok(Subscription::Cluster(connection)),
                // The library says that no node could be reached. One of them says why.
                Err(error) => Err(self.refuses_resp3(&address).await.unwrap_or(error)),
            };
        }
        let client = address.client(protocol).await?;
        let config = config().set_push_sender(push);
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

    /// The error of a node that takes connections, and none by RESP3.
    async fn refuses_resp3(&self, address: &RedisAddress) -> Option<RedisError> {
        let client = address.client(ProtocolVersion::RESP3).await.ok()?;
        let refused = client.get_multiplexed_async_connection_with_config(&config()).await.err()?;
        (!refused.is_unrecoverable_error()).then_some(refused)
    }

    /// Whether Redis is a Cluster. Then the names of its nodes are known too, as far as they are needed.
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

    /// The nodes that were named may be gone one day.
    async fn learn_nodes(&self, connection: &mut ClusterConnection) {
        let listed: RedisResult<String> =
            redis::cmd("CLUSTER").arg("NODES").query_async(connection).await;
        if let Ok(listed) = listed {
            let known = self.address();
            *self.address.lock().expect("nothing panics while it is locked") =
                known.with_nodes(&listed);
        }
    }

    fn address(&self) -> RedisAddress {
        self.address.lock().expect("nothing panics while it is locked").clone()
    }
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

pub(super) fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(ANSWER))
}

pub(super) fn no_answer() -> RedisError {
    std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time").into()
}
