//! The connection to Redis, or to a Cluster of them, which is recognised by itself.

use std::{
    sync::{
        Mutex as StdMutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, Pipeline, ProtocolVersion, PushInfo,
    RedisError, RedisFuture, RedisResult, ServerErrorKind, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster_async::ClusterConnection,
};
use tokio::{
    sync::{Mutex, Notify},
    time::timeout,
};
use tracing::{info, warn};

use crate::store::StoreError;

use super::{RedisAddress, scripts::Call};

/// A connection has to be there within this time, TLS and authentication included.
pub(super) const CONNECT: Duration = Duration::from_secs(2);
/// An answer has to be there within this time. Webhooks are answered within five seconds whatever happens.
pub(super) const ANSWER: Duration = Duration::from_millis(2_500);
/// After an attempt to connect failed, the next call that finds no connection fails too, for so long.
const CONNECT_AGAIN: Duration = Duration::from_millis(100);
/// After so many calls in a row without an answer the connection is given up: its other end may be gone without a word.
const MOST_SILENT: u32 = 2;

/// A connection to one Redis or to a Cluster. Cheap to clone; calls of all clones go out together.
#[derive(Clone)]
pub(super) struct Connection {
    generation: u64,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Plain(MultiplexedConnection),
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

    /// Subscribes, and returns once that is acknowledged. On a Cluster to one channel, since each has a slot of its own.
    pub async fn subscribe(&mut self, channels: &[String]) -> RedisResult<()> {
        match &mut self.kind {
            Kind::Plain(connection) => connection.subscribe(channels).await,
            Kind::Cluster(connection) => connection.ssubscribe(channels).await,
        }
    }

    pub async fn unsubscribe(&mut self, channels: &[String]) -> RedisResult<()> {
        match &mut self.kind {
            Kind::Plain(connection) => connection.unsubscribe(channels).await,
            Kind::Cluster(connection) => connection.sunsubscribe(channels).await,
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match &mut self.kind {
            Kind::Plain(connection) => connection.req_packed_command(cmd),
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
            Kind::Plain(connection) => connection.req_packed_commands(pipeline, offset, count),
            Kind::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match &self.kind {
            Kind::Plain(connection) => connection.get_db(),
            Kind::Cluster(connection) => connection.get_db(),
        }
    }
}

/// Keeps one connection for commands, and makes others for subscriptions.
pub(super) struct Link {
    /// With the nodes of a Cluster that were found.
    address: StdMutex<RedisAddress>,
    is_cluster: AtomicBool,
    current: Mutex<Current>,
    /// Calls in a row that got no answer.
    silent: AtomicU32,
    /// The last attempt to connect failed, which was said.
    is_away: AtomicBool,
    /// The server is no longer the one to talk to.
    pub moved: Notify,
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
            address: StdMutex::new(address),
            current: Mutex::default(),
            silent: AtomicU32::new(0),
            is_away: AtomicBool::new(false),
            moved: Notify::new(),
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
        match self.connect(None).await {
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
    ) -> Result<Connection, StoreError> {
        let kind = self.connect(Some(Box::new(on_push))).await?;
        Ok(Connection { generation: 0, kind })
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
            error.is_timeout() && self.silent.fetch_add(1, Ordering::Relaxed) + 1 >= MOST_SILENT;
        let is_broken = error.is_unrecoverable_error() || error.is_connection_dropped();
        // A master that became a replica keeps its connections.
        let is_replica = matches!(
            error.kind(),
            ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)
        );
        // A Cluster's makes new connections to its nodes by itself, and one node's fault is not the others'.
        if is_silent || !is_cluster && (is_broken || is_replica) {
            let mut current = self.current.lock().await;
            if current.generation == generation && current.connection.take().is_some() && is_replica
            {
                self.moved.notify_one();
            }
        }
        Err(failed(&error))
    }

    async fn connect(&self, on_push: Option<OnPush>) -> Result<Kind, StoreError> {
        let connected = timeout(CONNECT * 2, self.try_connect(on_push)).await;
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
                if !was_away {
                    warn!(?address, %error, "cannot connect to Redis; trying again");
                }
                Err(failed(&error))
            }
        }
    }

    async fn try_connect(&self, on_push: Option<OnPush>) -> RedisResult<Kind> {
        let protocol = match on_push {
            Some(_) => ProtocolVersion::RESP3,
            None => ProtocolVersion::RESP2,
        };
        let address = self.address();
        let is_cluster = self.is_cluster.load(Ordering::Relaxed) || is_cluster(&address).await?;
        let push = on_push.map(|on_push| {
            move |info: PushInfo| {
                on_push(info);
                Ok::<(), std::convert::Infallible>(())
            }
        });
        if is_cluster {
            self.is_cluster.store(true, Ordering::Relaxed);
            let mut builder = address.cluster(protocol);
            if let Some(push) = push {
                builder = builder.push_sender(push);
            }
            let mut connection = builder.build()?.get_async_connection().await?;
            self.learn_nodes(&mut connection).await;
            return Ok(Kind::Cluster(connection));
        }
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER));
        if let Some(push) = push {
            config = config.set_push_sender(push);
        }
        let client = address.client(protocol)?;
        client.get_multiplexed_async_connection_with_config(&config).await.map(Kind::Plain)
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
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(ANSWER));
    let client = address.client(ProtocolVersion::RESP2)?;
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let info: RedisResult<String> =
        redis::cmd("INFO").arg("cluster").query_async(&mut connection).await;
    match info {
        Ok(info) => Ok(info.lines().any(|line| line.trim() == "cluster_enabled:1")),
        // Services that are like Redis may not know the section.
        Err(error) if error.is_unrecoverable_error() || error.is_timeout() => Err(error),
        Err(_) => Ok(false),
    }
}

type OnPush = Box<dyn Fn(PushInfo) + Send + Sync>;

fn no_answer() -> RedisError {
    std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time").into()
}

fn failed(error: &RedisError) -> StoreError {
    StoreError { reason: error.to_string() }
}
