//! Rooms in Redis, or in a Cluster: any number of instances on one of them are one service.
//!
//! Redis compares and sets, and knows no rule of a room. A room is one hash with a row for each person; a step reads the rows it is
//! about, has `presence` decide, and writes if nobody has written since ([steps], [commit]). What an instance wrote last it
//! remembers ([turns]), so that most steps read nothing.

mod address;
mod batches;
mod clock;
mod commit;
mod error;
mod index;
mod keys;
mod link;
mod message;
mod metrics;
mod node_names;
mod peers;
mod rows;
mod scripts;
mod sentinel;
mod steps;
mod subscriber;
mod subscription;
mod turns;

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
        Applied, Event, Identity, RepairCounts, Repaired, Repairs, Room, RoomName, Rules,
        StoreTime, Subjects, Version,
    },
};

use super::{Feed, Position, RoomSummary, Store, StoreError, extra_trust::ExtraTrust};

use clock::StoreClock;
use commit::{Commit, Writer};
use index::IndexedRoom;
use keys::{Bucket, KeyFormat};
use link::Link;
use rows::{Held, room_row};
use scripts::Scripts;
use steps::{Effect, Taken, Wanted};
use subscriber::Subscriber;
use turns::Turns;

/// The list of rooms is read again after this time at the earliest, however many ask.
const ROOMS_FRESH: Duration = Duration::from_secs(1);
/// Commands under way together that read the list of rooms.
const CALLS_AT_ONCE: usize = 128;
/// Repairs that are written together. A room of ten thousand is brought into line in several writes, so that those of others
/// come between, and none has to begin again for them.
const REPAIRS_AT_ONCE: usize = 128;
/// Rows that remember nothing any more, and rooms that are gone, that one reading takes along.
const FORGOTTEN_AT_ONCE: usize = 100;
/// Bytes that are kept of what this instance wrote last.
const MAX_KEPT_BYTES: usize = 64 * 1024 * 1024;

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
    writer: Writer,
    subscriber: Subscriber,
    turns: Turns,
    rules: Rules,
    /// See [`Store::trust_longer`].
    extra_trust: ExtraTrust,
    clock: StoreClock,
    metrics: RedisMetrics,
    rooms: Mutex<Option<(Instant, Vec<IndexedRoom>)>>,
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
        let subscriber =
            Subscriber::start(Arc::clone(&link), keys.clone(), &instance, metrics.clone());
        let store = Self {
            subscriber,
            writer: Writer {
                link: Arc::clone(&link),
                keys: keys.clone(),
                scripts: Scripts::new(),
                instance,
            },
            turns: Turns::new(MAX_KEPT_BYTES),
            rules,
            extra_trust: ExtraTrust::default(),
            clock: StoreClock::new(settings.clock.clone()),
            metrics,
            rooms: Mutex::default(),
        };
        (store, RedisPeers::new(link, keys))
    }

    /// Applies repairs that are written together. `persons` is none where somebody of them is not known.
    async fn repair_some(
        &self,
        room: &RoomName,
        repairs: &Repairs,
        persons: Option<&[Identity]>,
    ) -> Result<Repaired, StoreError> {
        let wanted = Wanted {
            room,
            persons: persons.unwrap_or_default(),
            may_be_unread: true,
            keeps: false,
        };
        self.step(wanted, |slice, now| {
            let step = slice.repair(repairs, persons, now, &self.rules)?;
            let Repaired { change, counts, .. } = &step.outcome;
            let did_nothing =
                *counts == RepairCounts { outdated: counts.outdated, ..Default::default() };
            let effect = match change {
                Some(change) => Effect::Told(message::of_change(room, change)),
                None if step.outcome.is_refused => Effect::NothingIfRead,
                None if did_nothing && !repairs.confirms => Effect::NothingIfRead,
                None => Effect::Written,
            };
            Ok(Taken { outcome: step.outcome, touched: step.touched, effect })
        })
        .await
    }

    /// Deletes some of the rows that remember nothing any more. Somebody who writes the room meanwhile goes first.
    async fn forget_some(&self, room: &RoomName, held: &mut Held, now: StoreTime) {
        let forgotten = held.slice.forget_some(FORGOTTEN_AT_ONCE, now);
        if !forgotten.is_empty() {
            let commit = Commit::new(held, &forgotten, &[], now, None, Vec::new());
            let _ = commit.send(&self.writer, room, Duration::ZERO).await;
        }
    }

    /// Takes rooms that are forgotten out of the list, unless they are there again.
    async fn unlist(&self, forgotten: impl Iterator<Item = &IndexedRoom>, now: StoreTime) {
        for listed in forgotten {
            let commit = Commit::unlist(now);
            let _ = commit.send(&self.writer, &listed.name, Duration::ZERO).await;
        }
    }

    async fn listed(&self) -> Result<Vec<IndexedRoom>, StoreError> {
        let buckets: Vec<_> = Bucket::all().map(|bucket| self.listed_in(bucket)).collect();
        let listed: Vec<Vec<_>> =
            stream::iter(buckets).buffer_unordered(CALLS_AT_ONCE).try_collect().await?;
        Ok(listed.into_iter().flatten().collect())
    }

    /// A command names one key: Clusters, and proxies before several Redis, send it where that key is. What is of another type
    /// is not ours, and shows an error where nobody can mistake it.
    async fn listed_in(&self, bucket: Bucket) -> Result<Vec<IndexedRoom>, StoreError> {
        let mut index = redis::cmd("HGETALL");
        index.arg(self.writer.keys.index(bucket));
        let rooms: Option<Vec<(Vec<u8>, Vec<u8>)>> = self.writer.link.query_ours(&index).await?;
        let rooms = rooms.iter().flatten().map(|(name, entry)| IndexedRoom::read(name, entry));
        rooms.collect::<Result<_, _>>().map_err(StoreError::from)
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn apply(&self, event: &Event) -> Result<Applied, StoreError> {
        let room = &event.room;
        let persons: Vec<_> = event.whose().cloned().into_iter().collect();
        let wanted = Wanted { room, persons: &persons, may_be_unread: true, keeps: false };
        let rules = self.extra_trust.in_rules(&self.rules);
        self.step(wanted, |slice, now| {
            let step = slice.apply(event, now, &rules)?;
            let effect = match &step.outcome {
                Applied::Duplicate => Effect::NothingIfRead,
                Applied::Unchanged | Applied::Unexpected => Effect::Written,
                Applied::Changed(change) => Effect::Told(message::of_change(room, change)),
            };
            Ok(Taken { outcome: step.outcome, touched: step.touched, effect })
        })
        .await
    }

    async fn repair(
        &self,
        room: &RoomName,
        repairs: &Repairs,
        subjects: &Subjects,
    ) -> Result<Repaired, StoreError> {
        let mut repaired = Repaired::default();
        let total = repairs.steps.len();
        let mut done = 0;
        loop {
            let some = done..total.min(done + REPAIRS_AT_ONCE);
            done = some.end;
            let part = Repairs {
                confirms: repairs.confirms && done == total,
                steps: repairs.steps[some.clone()].to_vec(),
                ..*repairs
            };
            let persons = subjects.of(some).map(Vec::from_iter);
            let did = self.repair_some(room, &part, persons.as_deref()).await?;
            repaired.counts.add(did.counts);
            repaired.change = did.change.or(repaired.change);
            repaired.is_refused = did.is_refused;
            if did.is_refused {
                repaired.counts.outdated += total - done;
            }
            if did.is_refused || done == total {
                return Ok(repaired);
            }
        }
    }

    async fn read(&self, room: &RoomName) -> Result<Option<Arc<Room>>, StoreError> {
        let mut held = self.read_everybody(room).await?;
        let now = self.store_time().await?;
        self.forget_some(room, &mut held, now).await;
        Ok(held.into_room(now).map(Arc::new))
    }

    async fn position(&self, room: &RoomName) -> Result<Option<Position>, StoreError> {
        let mut read = redis::cmd("HGET");
        read.arg(self.writer.keys.room(room)).arg(rows::ROOM);
        let row: Option<Vec<u8>> = self.writer.link.query(&read).await?;
        // The caller compares what it is told with the store's time.
        self.store_time().await?;
        let Some(row) = row else { return Ok(None) };
        let row = room_row(&row)?;
        Ok(Some(Position {
            version: row.version,
            completeness: row.completeness(),
            compared_at: row.compared_at,
        }))
    }

    async fn advance(&self, room: &RoomName, held: Version) -> Result<(), StoreError> {
        let wanted = Wanted { room, persons: &[], may_be_unread: false, keeps: false };
        self.step(wanted, |slice, now| {
            let effect = match slice.advance(held, now) {
                true => Effect::Told(message::of_gap(room)),
                false => Effect::Nothing,
            };
            Ok(Taken { outcome: (), touched: Vec::new(), effect })
        })
        .await
    }

    async fn rooms(&self) -> Result<Vec<RoomSummary>, StoreError> {
        let mut rooms = self.rooms.lock().await;
        let read_at = Instant::now();
        let is_fresh = |at: &Instant| at.elapsed() < ROOMS_FRESH && self.clock.injected().is_none();
        let listed = match &*rooms {
            Some((at, listed)) if is_fresh(at) => listed.clone(),
            _ => {
                let listed = self.listed().await?;
                *rooms = Some((read_at, listed.clone()));
                listed
            }
        };
        drop(rooms);
        let now = self.now().await?;
        let extra_trust = self.extra_trust.get();
        let is_kept = |listed: &IndexedRoom| !listed.is_forgotten_at(now);
        let forgotten = listed.iter().filter(|listed| !is_kept(listed));
        self.unlist(forgotten.take(FORGOTTEN_AT_ONCE), now).await;
        let summary = |listed: IndexedRoom| RoomSummary {
            count: listed.count(),
            is_complete: listed.completeness().trusted_longer(extra_trust).is_complete_at(now),
            name: listed.name,
        };
        Ok(listed.into_iter().filter(is_kept).map(summary).collect())
    }

    async fn follow(&self, room: &RoomName) -> Result<Feed, StoreError> {
        self.subscriber.follow(room).await
    }

    async fn renew(&self, room: &RoomName) -> Result<(), StoreError> {
        let wanted = Wanted { room, persons: &[], may_be_unread: true, keeps: true };
        self.step(wanted, |slice, _now| {
            let is_held = slice.version() != Version::ZERO;
            let effect = if is_held { Effect::Written } else { Effect::NothingIfRead };
            Ok(Taken { outcome: (), touched: Vec::new(), effect })
        })
        .await
    }

    fn trust_longer(&self, by: Duration) {
        self.extra_trust.set(by);
    }

    async fn now(&self) -> Result<StoreTime, StoreError> {
        match self.clock.injected() {
            Some(now) => Ok(now),
            None => self.ask_time().await,
        }
    }

    fn estimated_now(&self) -> Option<StoreTime> {
        self.clock.estimate()
    }

    async fn check(&self) -> Result<(), StoreError> {
        if !self.subscriber.is_connected() {
            return Err(StoreError::NoChanges);
        }
        self.ask_time().await.map(|_| ())
    }
}
