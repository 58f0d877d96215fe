//! Looks at a Redis without a store on it, for those who ask what is wrong with it. Writes only to keys of its own, which end within
//! seconds.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use redis::{
    Cmd, FromRedisValue, RedisError, RedisResult,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster_async::ClusterConnection,
    cluster_routing::{RoutingInfo, SingleNodeRoutingInfo},
    from_redis_value,
};
use tokio::{sync::Notify, time::timeout};

use crate::redis_client::{Connector, RedisAddress};

use super::{error, keys::KeyFormat, rights, subscription::Subscription};

const PINGS: usize = 20;
/// Where an answer takes long, fewer pings say so.
const PINGING: Duration = Duration::from_secs(2);
/// A message comes back within a millisecond or two.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(2);
const SLOTS: u32 = 16_384;

/// What was seen of a Redis.
#[derive(Debug)]
pub struct ExaminedRedis {
    /// What `INFO` says, by its names; empty if it may not be asked.
    pub info: BTreeMap<String, String>,
    pub is_cluster: bool,
    /// How many slots of a Cluster nobody serves.
    pub unserved_slots: u32,
    /// Half of the answers to pings were there by then.
    pub ping: Duration,
    /// Commands that the user may not send, or that nobody knows, each with the words of Redis.
    pub refused: Vec<(String, String)>,
    /// Whether a message that was published came back.
    pub publishes: Result<(), String>,
}

/// Why a Redis cannot be looked at.
#[derive(Debug)]
pub struct UnusableRedis {
    pub reason: String,
    /// What an operator can do, where that is known.
    pub advice: Option<&'static str>,
}

impl From<RedisError> for UnusableRedis {
    fn from(error: RedisError) -> Self {
        let reason = error.to_string();
        Self { advice: error::advice(&error, &reason), reason }
    }
}

/// Looks at the Redis of an address, with the keys that begin with `key_prefix`.
///
/// # Errors
/// It cannot be reached, or does not let us in.
pub async fn examine(
    address: RedisAddress,
    key_prefix: &str,
) -> Result<ExaminedRedis, UnusableRedis> {
    let keys = KeyFormat::new(key_prefix, address.database());
    let connector = Connector::new(address);
    let mut connection = if connector.finds_cluster().await? {
        Examined::Cluster(connector.cluster().await?)
    } else {
        Examined::Plain(connector.plain().await?)
    };
    let is_cluster = connector.is_cluster();
    let mut examined = ExaminedRedis {
        ping: connection.ping().await?,
        info: connection.info().await,
        is_cluster,
        unserved_slots: if is_cluster { connection.unserved_slots().await } else { 0 },
        refused: Vec::new(),
        publishes: Ok(()),
    };
    // A Cluster without all its slots refuses most commands, and each is tried for long.
    if examined.unserved_slots == 0 {
        examined.refused = connection.refused(&keys).await?;
        examined.publishes = publishes(&connector, &keys, connection).await;
    }
    Ok(examined)
}

#[derive(Clone)]
enum Examined {
    Plain(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Examined {
    async fn query<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        match self {
            Self::Plain(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }

    /// What one node says.
    async fn query_any<T: FromRedisValue>(&mut self, command: Cmd) -> RedisResult<T> {
        match self {
            Self::Plain(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => {
                let any = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
                Ok(from_redis_value(connection.route_command(command, any).await?)?)
            }
        }
    }

    async fn ping(&mut self) -> RedisResult<Duration> {
        let mut times = Vec::new();
        let begun = Instant::now();
        while times.is_empty() || times.len() < PINGS && begun.elapsed() < PINGING {
            let started = Instant::now();
            let _: String = self.query_any(redis::cmd("PING")).await?;
            times.push(started.elapsed());
        }
        times.sort();
        Ok(times[times.len() / 2])
    }

    async fn info(&mut self) -> BTreeMap<String, String> {
        let said: String = self.query_any(redis::cmd("INFO")).await.unwrap_or_default();
        fields(&said)
    }

    async fn unserved_slots(&mut self) -> u32 {
        let mut info = redis::cmd("CLUSTER");
        info.arg("INFO");
        let said: String = self.query_any(info).await.unwrap_or_default();
        let served = fields(&said).get("cluster_slots_ok").and_then(|slots| slots.parse().ok());
        SLOTS.saturating_sub(served.unwrap_or(SLOTS))
    }

    async fn refused(&mut self, keys: &KeyFormat) -> Result<Vec<(String, String)>, UnusableRedis> {
        let samples = rights::samples(keys, self.is_cluster());
        let count = samples.on_scratch.len();
        let on_scratch = match self {
            Self::Plain(connection) => {
                connection.req_packed_commands(&samples.on_scratch, 0, count)
            }
            Self::Cluster(connection) => {
                connection.req_packed_commands(&samples.on_scratch, 0, count)
            }
        };
        let on_scratch = on_scratch.await?.into_iter().map(redis::Value::extract_error);
        let others = samples.others.iter().map(|command| {
            let mut connection = self.clone();
            async move { connection.query::<redis::Value>(command).await }
        });
        let answers: Vec<_> = on_scratch.chain(join_all(others).await).collect();
        let mut refused = Vec::new();
        let mut named = BTreeSet::new();
        for (command, answer) in samples.on_scratch.cmd_iter().chain(&samples.others).zip(answers) {
            match answer {
                Err(error) if rights::is_refusal(&error) => {
                    let name = rights::name_of(command);
                    if named.insert(name.clone()) {
                        refused.push((name, rights::told(&error)));
                    }
                }
                Err(error) if error.is_unrecoverable_error() => return Err(error.into()),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(refused)
    }

    fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }
}

/// The lines of `INFO`.
fn fields(said: &str) -> BTreeMap<String, String> {
    let pairs = said.lines().filter_map(|line| line.trim().split_once(':'));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Publishes a message on a channel that only this process knows, and waits until it comes back.
async fn publishes(
    connector: &Connector,
    keys: &KeyFormat,
    mut connection: Examined,
) -> Result<(), String> {
    let channel = keys.probe(&format!("doctor-{:016x}", fastrand::u64(..)));
    let came = Arc::new(Notify::new());
    let told = Arc::clone(&came);
    let on_push = Arc::new(move |push: redis::PushInfo| {
        if matches!(push.kind, redis::PushKind::Message | redis::PushKind::SMessage) {
            told.notify_one();
        }
    });
    let mut subscription = Subscription::connect(connector, on_push, &true.into())
        .await
        .map_err(|error| rights::told(&error))?;
    let channels = [channel.clone()];
    subscription.subscribe(&channels).await.map_err(|error| rights::told(&error))?;
    let mut publish = redis::cmd(if connection.is_cluster() { "SPUBLISH" } else { "PUBLISH" });
    publish.arg(&channel).arg("doctor");
    let published: RedisResult<redis::Value> = connection.query(&publish).await;
    published.map_err(|error| rights::told(&error))?;
    timeout(MESSAGE_TIMEOUT, came.notified())
        .await
        .map_err(|_| "a message that was published did not come back".to_owned())
}
