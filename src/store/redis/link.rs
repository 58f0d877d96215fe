//! The link to Redis: keeps one connection for commands, and gives it up when it does not work.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use redis::{Cmd, ErrorKind, FromRedisValue, PushInfo, RedisResult, ServerErrorKind};
use tokio::{
    sync::{Mutex, Notify},
    time::{sleep, timeout},
};
use tracing::{info, warn};

use crate::{
    error_chain::Chain,
    redis_client::{
        ANSWER, CONNECT, Connector, RedisAddress, is_elsewhere, is_no_master, no_answer,
    },
    store::StoreError,
};

use super::{
    connection::{Connection, Server},
    error::failed,
    scripts::Call,
    subscription::Subscription,
};

/// After a failed attempt to connect, calls fail at once for this long instead of trying again.
const CONNECT_AGAIN: Duration = Duration::from_millis(100);
/// The shortest time between two looks at the nodes of a Cluster.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// After this many unanswered calls in a row the connection is given up: its other end may have vanished.
const MAX_SILENT: u32 = 2;

/// Keeps one connection for commands, and makes others for subscriptions.
pub(super) struct Link {
    connector: Connector,
    current: Mutex<Current>,
    /// Calls in a row that got no answer.
    silent: AtomicU32,
    /// The last attempt to connect failed, and the log says so.
    is_away: AtomicBool,
    /// `HELLO 3` was refused, and the log says so.
    is_resp2: AtomicBool,
    /// Notified when another server, or another name of it, is the one to connect to.
    pub moved: Notify,
    /// Notified when a call to a Cluster with TLS failed: it may have new nodes whose certificates have other names.
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
            connector: Connector::new(address),
            current: Mutex::default(),
            silent: AtomicU32::new(0),
            is_away: AtomicBool::new(false),
            is_resp2: AtomicBool::new(false),
            moved: Notify::new(),
            doubted: Notify::new(),
        }
    }

    /// The connection for commands. Makes one if there is none.
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
        match self.reach(Server::connect(&self.connector).boxed()).await {
            Ok(server) => {
                current.failed = None;
                current.generation += 1;
                let connection = Connection { generation: current.generation, server };
                current.connection = Some(connection.clone());
                self.silent.store(0, Ordering::Relaxed);
                let cluster = connection.is_cluster();
                info!(address = ?self.connector.address(), cluster, "connected to Redis");
                Ok(connection)
            }
            Err(error) => {
                current.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// A connection of its own for subscriptions. Each push goes to `on_push`, which must not wait.
    pub async fn subscription(
        &self,
        on_push: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Subscription, StoreError> {
        let subscribing = Subscription::connect(&self.connector, Arc::new(on_push), &self.is_resp2);
        self.reach(subscribing.boxed()).await
    }

    /// Has the connections to a Cluster with TLS made again when it has new nodes whose certificates have other names.
    pub async fn watch_nodes(&self) {
        let nodes = self.connector.nodes();
        loop {
            self.doubted.notified().await;
            let _ = timeout(CONNECT * 2, nodes.learn()).await;
            if nodes.has_changed() {
                self.current.lock().await.connection = None;
                self.moved.notify_one();
            }
            sleep(LOOK_AGAIN).await;
        }
    }

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

    pub async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let mut connection = self.connection().await?;
        let (generation, is_cluster) = (connection.generation, connection.is_cluster());
        let answer = timeout(ANSWER, command.query_async(&mut connection)).await;
        self.settle(generation, is_cluster, answer.unwrap_or_else(|_| Err(no_answer()))).await
    }

    /// Publishes a message on a bucket's channel.
    pub async fn publish(&self, channel: &str, message: Vec<u8>) -> Result<(), StoreError> {
        let command = self.connection().await?.publish_command();
        let mut publish = redis::Cmd::new();
        publish.arg(command).arg(channel).arg(message);
        self.query::<i64>(&publish).await.map(|_| ())
    }

    /// Runs a command on a key that another program may use for another type. If it does, the key holds nothing of ours, and this
    /// returns none.
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
        let address = self.connector.address();
        if is_cluster && address.has_tls() {
            self.doubted.notify_one();
        }
        if is_elsewhere(&error) && !is_cluster && !address.has_sentinels() {
            self.connector.found_cluster();
        }
        let is_silent =
            error.is_timeout() && self.silent.fetch_add(1, Ordering::Relaxed) + 1 >= MAX_SILENT;
        let has_moved = is_elsewhere(&error) || is_no_master(&error);
        let is_broken = error.is_unrecoverable_error() || error.is_connection_dropped();
        // A Cluster's connection reconnects to its nodes by itself, and the fault of one node is not the others'.
        if is_silent || !is_cluster && (is_broken || has_moved) {
            let mut current = self.current.lock().await;
            let is_given_up =
                current.generation == generation && current.connection.take().is_some();
            if is_given_up && has_moved {
                self.moved.notify_one();
            }
        }
        Err(failed(&error))
    }

    /// Waits for a connection, and logs when Redis goes and comes.
    async fn reach<T>(
        &self,
        connecting: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, StoreError> {
        let connected = timeout(CONNECT * 2, connecting).await;
        let connected = connected.unwrap_or_else(|_| Err(no_answer()));
        let was_away = self.is_away.swap(connected.is_err(), Ordering::Relaxed);
        let address = self.connector.address();
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
}
