//! Rooms in Redis, or in a Cluster: any number of instances on one of them are one service.
//!
//! A step of a room is one script call, with all that belongs to it: recognising a repetition, the rules, version, expiry, and
//! telling the followers. The scripts hold the rules of `presence` a second time, because a room of ten thousand must not be
//! fetched to let one person in; `tests/it/store/model.rs` plays the same schedules to both.

mod address;
mod codec;
mod keys;
mod link;
mod metrics;
mod netstring;
mod node_names;
mod peers;
mod refusal;
mod scripts;
mod sentinel;
mod subscriber;
mod subscription;

pub use address::RedisAddress;
pub use metrics::RedisMetrics;
pub use peers::RedisPeers;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::Mutex;

use crate::{
    clock::Clock,
    presence::{
        Applied, Event, ParticipantSid, Repaired, Repairs, Room, RoomName, Rules, StoreTime,
        Version,
    },
};

use super::{
    Feed, Position, RoomSummary, Store, StoreError, clock::StoreClock, extra_trust::ExtraTrust,
};

use codec::Listed;
use keys::{Bucket, KeyFormat};
use link::Link;
use netstring::Malformed;
use scripts::{Script, Scripts};
use subscriber::Subscriber;

/// The list of rooms is read again after this time at the earliest, however many ask.
const ROOMS_FRESH: Duration = Duration::from_secs(1);
/// Commands under way together that read the list of rooms.
const CALLS_AT_ONCE: usize = 128;

/// Where rooms are kept, and under which names.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    pub address: RedisAddress,
    /// Before every key. No braces: they would move a Cluster's hash tag.
    pub key_prefix: String,
    /// Instead of the server's clock; for tests that set the time.
    pub clock: Option<Clock>,
}

/// Keeps rooms in Redis.
pub struct RedisStore {
    link: Arc<Link>,
    keys: KeyFormat,
    scripts: Scripts,
    subscriber: Subscriber,
    rules: Rules,
    /// See [`Store::trust_longer`].
    extra_trust: ExtraTrust,
    /// Instead of the server's clock.
    set_clock: Option<Clock>,
    server_clock: StoreClock,
    rooms: Mutex<Option<(Instant, Vec<Listed>)>>,
}

impl RedisStore {
    /// Starts connecting. What is asked before that succeeds fails, and may be asked again. The second value is what instances
    /// on this Redis share.
    pub fn start(
        settings: &RedisSettings,
        rules: Rules,
        metrics: RedisMetrics,
    ) -> (Self, RedisPeers) {
        let link = Arc::new(Link::new(settings.address.clone()));
        let keys = KeyFormat::new(&settings.key_prefix, settings.address.database());
        let instance = format!("{:016x}", fastrand::u64(..));
        let store = Self {
            subscriber: Subscriber::start(Arc::clone(&link), keys.clone(), &instance, metrics),
            link: Arc::clone(&link),
            keys: keys.clone(),
            scripts: Scripts::new(),
            rules,
            extra_trust: ExtraTrust::default(),
            set_clock: settings.clock.clone(),
            server_clock: StoreClock::default(),
            rooms: Mutex::default(),
        };
        (store, RedisPeers::new(link, keys))
    }

    /// Runs a script about one room.
    async fn run<T: redis::FromRedisValue>(
        &self,
        script: &Script,
        room: &RoomName,
        arguments: &[u8],
    ) -> Result<T, StoreError> {
        let connection = self.link.connection().await?;
        let publish = connection.publish_command();
        let trust = self.rules.trust.as_micros().to_string();
        let time = self.time();
        let keys = self.keys.of_room(room);
        let arguments =
            [room.as_str().as_bytes(), time.as_bytes(), trust.as_bytes(), publish, arguments];
        self.link.invoke(connection, &script.call(&keys, &arguments)).await
    }

    /// The time to apply, where it is not the server's.
    fn time(&self) -> String {
        self.set_time().map_or(String::new(), |time| time.as_micros().to_string())
    }

    fn set_time(&self) -> Option<StoreTime> {
        self.set_clock.as_ref().map(|clock| clock.now().as_store_time())
    }

    async fn server_time(&self) -> Result<StoreTime, StoreError> {
        let asked_at = Instant::now();
        let (seconds, micros): (u64, u64) = self.link.query(&redis::cmd("TIME")).await?;
        let time = StoreTime::from_micros(seconds * 1_000_000 + micros);
        self.server_clock.learn(time, asked_at, Instant::now());
        Ok(time)
    }

    async fn listed(&self) -> Result<Vec<Listed>, StoreError> {
        let now = self.now().await?.as_micros().to_string();
        let buckets: Vec<_> = Bucket::all().map(|bucket| self.listed_in(bucket, &now)).collect();
        let listed: Vec<Vec<_>> =
            stream::iter(buckets).buffer_unordered(CALLS_AT_ONCE).try_collect().await?;
        Ok(listed.into_iter().flatten().collect())
    }

    /// A command names one key: Clusters, and proxies before several Redis, send it where that key is. What is of another type
    /// is not ours, and shows an error where nobody can mistake it.
    async fn listed_in(&self, bucket: Bucket, now: &str) -> Result<Vec<Listed>, StoreError> {
        let mut index = redis::cmd("ZRANGEBYSCORE");
        index.arg(self.keys.index(bucket)).arg(now).arg("+inf");
        let names: Option<Vec<String>> = self.link.query_ours(&index).await?;
        let rooms = names.iter().flatten().filter_map(|name| RoomName::parse(name).ok());
        let rooms: Vec<_> = rooms.map(|room| self.listed_room(room)).collect();
        let rooms = stream::iter(rooms).buffer_unordered(CALLS_AT_ONCE);
        rooms.try_filter_map(|room| async move { Ok(room) }).try_collect().await
    }

    async fn listed_room(&self, room: RoomName) -> Result<Option<Listed>, StoreError> {
        let mut meta = redis::cmd("HMGET");
        meta.arg(self.keys.meta(&room)).arg(&["visible", "whole", "trusted", "undecided"]);
        let meta: Option<[Option<String>; 4]> = self.link.query_ours(&meta).await?;
        let Some([Some(visible), whole, trusted, undecided]) = meta else { return Ok(None) };
        let is_complete =
            whole.as_deref() == Some("1") && matches!(undecided.as_deref(), None | Some("0"));
        let trusted = trusted.filter(|_| is_complete);
        Ok(Some(codec::listed(room, &visible, trusted.as_deref().unwrap_or("0"))?))
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn apply(&self, event: &Event) -> Result<Applied, StoreError> {
        let arguments = codec::of_event(event, self.extra_trust.get());
        let answer: Vec<Vec<u8>> = self.run(&self.scripts.apply, &event.room, &arguments).await?;
        Ok(codec::applied(&answer)?)
    }

    async fn repair(&self, room: &RoomName, repairs: &Repairs) -> Result<Repaired, StoreError> {
        let arguments = codec::of_repairs(repairs, &self.rules);
        let answer: Vec<Vec<u8>> = self.run(&self.scripts.repair, room, &arguments).await?;
        Ok(codec::repaired(&answer, repairs.steps.len())?)
    }

    async fn read(&self, room: &RoomName) -> Result<Option<Arc<Room>>, StoreError> {
        self.read_with(room, &[]).await
    }

    async fn position(&self, room: &RoomName) -> Result<Option<Position>, StoreError> {
        let asked_at = Instant::now();
        let answer: Vec<Vec<u8>> = self.run(&self.scripts.position, room, &[]).await?;
        let (time, position) = answer.split_first().ok_or(Malformed)?;
        self.server_clock.learn(codec::store_time(time)?, asked_at, Instant::now());
        Ok(codec::position(position)?)
    }

    async fn read_with(
        &self,
        room: &RoomName,
        sessions: &[ParticipantSid],
    ) -> Result<Option<Arc<Room>>, StoreError> {
        let arguments = codec::of_sids(sessions);
        let asked_at = Instant::now();
        let answer: Vec<Vec<Vec<u8>>> = self.run(&self.scripts.read, room, &arguments).await?;
        let answered_at = Instant::now();
        let Some(([time], room)) = answer.split_first().map(|(head, room)| (head.as_slice(), room))
        else {
            return Err(Malformed.into());
        };
        self.server_clock.learn(codec::store_time(time)?, asked_at, answered_at);
        Ok(codec::room(room)?.map(Arc::new))
    }

    async fn lift(&self, room: &RoomName, held: Version) -> Result<(), StoreError> {
        let mut packer = netstring::Packer::default();
        packer.number(held.as_u64());
        self.run(&self.scripts.lift, room, &packer.finish()).await
    }

    async fn rooms(&self) -> Result<Vec<RoomSummary>, StoreError> {
        let mut rooms = self.rooms.lock().await;
        let read_at = Instant::now();
        let is_fresh = |at: &Instant| at.elapsed() < ROOMS_FRESH && self.set_clock.is_none();
        let listed = match &*rooms {
            Some((at, listed)) if is_fresh(at) => listed.clone(),
            _ => {
                let listed = self.listed().await?;
                *rooms = Some((read_at, listed.clone()));
                listed
            }
        };
        drop(rooms);
        let trusted_at = self.now().await? - self.extra_trust.get();
        let summary = |listed: Listed| RoomSummary {
            name: listed.name,
            count: listed.count,
            is_whole: trusted_at <= listed.confirmed_until,
        };
        Ok(listed.into_iter().map(summary).collect())
    }

    async fn follow(&self, room: &RoomName) -> Result<Feed, StoreError> {
        self.subscriber.follow(room).await
    }

    async fn renew(&self, room: &RoomName) -> Result<(), StoreError> {
        self.run(&self.scripts.renew, room, &[]).await
    }

    fn trust_longer(&self, by: Duration) {
        self.extra_trust.set(by);
    }

    async fn now(&self) -> Result<StoreTime, StoreError> {
        match self.set_time() {
            Some(time) => Ok(time),
            None => self.server_time().await,
        }
    }

    fn estimated_now(&self) -> Option<StoreTime> {
        self.set_time().or_else(|| self.server_clock.now(Instant::now()))
    }

    async fn check(&self) -> Result<(), StoreError> {
        if !self.subscriber.is_connected() {
            return Err(StoreError { reason: "changes do not arrive".to_owned() });
        }
        self.server_time().await.map(|_| ())
    }
}

impl From<Malformed> for StoreError {
    fn from(error: Malformed) -> Self {
        Self { reason: error.to_string() }
    }
}
