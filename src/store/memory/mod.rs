//! The embedded store: one instance, nothing to install. Keeps rooms in this process behind sharded locks.

mod metadata;
mod shard;

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    clock::Clock,
    presence::{
        Applied, Ban, BanChanged, Event, Identity, MetadataTold, Repaired, Repairs, Room, RoomName,
        Rules, StepTaken, StoreTime, Subjects, ToldMetadata, Version,
    },
};

use super::{
    about::RoomAbout,
    error::StoreError,
    events::{
        EventFeed, EventLogSettings, FeedEvent, Happened, LogId, MemoryEventLog, Origin, Resumed,
        passes,
    },
    extra_trust::ExtraTrust,
    feed::{Feed, feed},
    interface::Store,
    outbox::{MemoryOutbox, Outbox, OutboxSettings, item_of},
    position::Position,
    rooms_feed::RoomsFeed,
    rooms_followers::RoomsFollowers,
    summary::{Listed, RoomSummary},
};

use self::shard::{Shard, StoredRoom, Unfollow, lock};

/// The number of locks. Each is held for a few microseconds at a time, so more of them would only cost memory.
const SHARDS: usize = 64;

/// Keeps rooms in memory.
pub struct MemoryStore {
    shards: Arc<[Mutex<Shard>]>,
    hasher: RandomState,
    /// The shard in which rooms are forgotten next.
    next_to_sweep: AtomicUsize,
    /// Followers of all rooms. Locked while a shard is, never the other way round.
    of_all_rooms: Arc<RoomsFollowers>,
    rules: Rules,
    /// See [`Store::trust_longer`].
    extra_trust: ExtraTrust,
    log: Arc<MemoryEventLog>,
    /// What the history has yet to take; none where none is kept.
    outbox: Option<Arc<MemoryOutbox>>,
    clock: Clock,
}

impl MemoryStore {
    pub fn new(rules: Rules, clock: Clock) -> Self {
        Self::with_log(rules, clock, EventLogSettings::default())
    }

    /// Keeps this much of the log of events.
    pub fn with_log(rules: Rules, clock: Clock, events: EventLogSettings) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            next_to_sweep: AtomicUsize::default(),
            of_all_rooms: Arc::default(),
            rules,
            extra_trust: ExtraTrust::default(),
            log: MemoryEventLog::new(events, clock.clone()),
            outbox: None,
            clock,
        }
    }

    /// From now on each step adds to the outbox what the history has to know of it.
    pub fn keeping_history(self, settings: OutboxSettings) -> (Self, Arc<dyn Outbox>) {
        let outbox = Arc::new(MemoryOutbox::new(settings));
        (Self { outbox: Some(Arc::clone(&outbox)), ..self }, outbox)
    }

    /// This store's clock is its host's.
    fn time(&self) -> StoreTime {
        self.clock.now().as_store_time()
    }

    /// How many rooms are held, including those that do not belong in the list.
    pub fn held_rooms(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).rooms.len()).sum()
    }

    /// Forgets old rooms of one shard. Each write takes the next shard, so that all get their turn whichever rooms are written.
    fn sweep(&self, now: StoreTime) {
        let shard = self.next_to_sweep.fetch_add(1, Ordering::Relaxed) % SHARDS;
        lock(&self.shards[shard]).forget(now);
    }

    /// Logs what a step did. The caller holds the room's lock, so that the room's entries are in order.
    fn log(&self, happened: &Happened<'_>, room: &Room) {
        if happened.is_something() {
            let entries = happened.entries(|sid| room.shown_session(sid));
            self.log.append(entries, happened.now);
        }
    }

    /// Adds to the outbox what the history has to know of a step. The caller holds the room's lock, so that the room's items are in
    /// order.
    fn note<'step>(&self, room: &RoomName, step: impl FnOnce(bool) -> StepTaken<'step>) {
        if let Some(outbox) = &self.outbox {
            let step = step(outbox.keeps_metadata());
            if let Some(item) = item_of(room, &step) {
                outbox.add(item, step.now);
            }
        }
    }

    /// Changes a room of a shard. If it is listed differently afterwards, the followers of all rooms are told before the shard is
    /// unlocked.
    fn change<T>(
        &self,
        shard: &mut Shard,
        name: &RoomName,
        now: StoreTime,
        change: impl FnOnce(&mut Room) -> T,
    ) -> T {
        let room = shard.room_mut(name, now);
        let before = Listed::of_room(room);
        let outcome = change(room);
        if Listed::of_room(room) != before {
            self.of_all_rooms.touch(name);
        }
        outcome
    }

    /// What the list of rooms says of a room; none where it is not in the list.
    fn summary(&self, name: &RoomName, held: &StoredRoom, now: StoreTime) -> Option<RoomSummary> {
        let StoredRoom { room, .. } = held;
        let completeness = room.completeness().trusted_longer(self.extra_trust.get());
        let is_listed = room.is_active() && !held.is_forgotten_at(now);
        let is_complete = completeness.is_complete_at(now);
        is_listed.then(|| RoomSummary {
            name: name.clone(),
            counts: room.counts(),
            started_at: room.started_at(),
            recording: RoomSummary::recording(room.has_recorder(), is_complete),
            is_complete,
        })
    }

    fn look<T>(&self, room: &RoomName, look: impl FnOnce(&Arc<Room>) -> T) -> Option<T> {
        let mut shard = self.shard_of(room);
        shard.forget(self.time());
        shard.rooms.get(room).map(|held| look(&held.room))
    }

    fn shard_of(&self, room: &RoomName) -> MutexGuard<'_, Shard> {
        lock(&self.shards[self.index_of(room)])
    }

    #[expect(clippy::cast_possible_truncation, reason = "only the low bits are wanted")]
    fn index_of(&self, room: &RoomName) -> usize {
        self.hasher.hash_one(room) as usize % SHARDS
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn apply(&self, event: &Event) -> Result<Applied, StoreError> {
        self.sweep(self.time());
        let mut shard = self.shard_of(&event.room);
        let now = self.time();
        let rules = self.extra_trust.in_rules(&self.rules);
        let mut transitions = Vec::new();
        let applied = self.change(&mut shard, &event.room, now, |room| {
            let metadata = room.metadata_digest();
            let applied = room.apply_noting(event, now, &rules, &mut transitions);
            if self.log.is_on() {
                let happened = Happened {
                    room: &event.room,
                    sid: room.sid(),
                    version: room.version(),
                    now,
                    transitions: &transitions,
                    metadata: room.metadata_unless(&metadata),
                    origin: Origin::Webhook { event, passes: passes(event, &applied, room, now) },
                };
                self.log(&happened, room);
            }
            self.note(&event.room, |metadata| {
                StepTaken::of_event(room, event, &applied, &transitions, now, metadata)
            });
            applied
        });
        if let Some(change) = applied.change() {
            shard.publish(&event.room, change);
        }
        Ok(applied)
    }

    async fn repair(
        &self,
        room: &RoomName,
        repairs: &Repairs,
        _subjects: &Subjects,
    ) -> Result<Repaired, StoreError> {
        self.sweep(self.time());
        let mut shard = self.shard_of(room);
        let now = self.time();
        let mut transitions = Vec::new();
        let repaired = self.change(&mut shard, room, now, |held| {
            let metadata = held.metadata_digest();
            let repaired = held.repair_noting(repairs, now, &self.rules, &mut transitions);
            if self.log.is_on() {
                let happened = Happened {
                    room,
                    sid: held.sid(),
                    version: held.version(),
                    now,
                    transitions: &transitions,
                    metadata: held.metadata_unless(&metadata),
                    origin: Origin::Repairs(repairs.cause),
                };
                self.log(&happened, held);
            }
            self.note(room, |metadata| {
                StepTaken::of_repair(held, &repaired, &transitions, now, metadata)
            });
            repaired
        });
        if let Some(change) = &repaired.change {
            shard.publish(room, change);
        }
        Ok(repaired)
    }

    async fn ban(
        &self,
        room: &RoomName,
        identity: &Identity,
        ban: Option<&Ban>,
    ) -> Result<BanChanged, StoreError> {
        let mut shard = self.shard_of(room);
        let now = self.time();
        shard.forget(now);
        if ban.is_none() && !shard.rooms.contains_key(room) {
            return Ok(BanChanged::default());
        }
        let mut transitions = Vec::new();
        let changed = self.change(&mut shard, room, now, |held| {
            let changed = held.ban_noting(identity, ban.cloned(), now, &mut transitions);
            if self.log.is_on() {
                self.log(&Happened::of_ban(room, held, &transitions, now), held);
            }
            self.note(room, |metadata| StepTaken::of_ban(held, &transitions, now, metadata));
            changed
        });
        if let Some(change) = &changed.change {
            shard.publish(room, change);
        }
        Ok(changed)
    }

    async fn ban_of(
        &self,
        room: &RoomName,
        identity: &Identity,
    ) -> Result<Option<Ban>, StoreError> {
        let now = self.time();
        let shard = self.shard_of(room);
        let ban = shard.rooms.get(room).and_then(|held| held.room.ban_of(identity));
        Ok(ban.filter(|ban| ban.holds_at(now)).cloned())
    }

    async fn read(&self, room: &RoomName) -> Result<Option<Arc<Room>>, StoreError> {
        Ok(self.look(room, Arc::clone))
    }

    async fn tell_metadata(
        &self,
        room: &RoomName,
        told: &ToldMetadata,
    ) -> Result<MetadataTold, StoreError> {
        Ok(self.take_metadata(room, told))
    }

    async fn about(&self, room: &RoomName) -> Result<Option<RoomAbout>, StoreError> {
        Ok(self.look(room, |room| RoomAbout::of(room)))
    }

    async fn position(&self, room: &RoomName) -> Result<Option<Position>, StoreError> {
        Ok(self.look(room, |room| Position::of(room)))
    }

    async fn advance(&self, room: &RoomName, held: Version) -> Result<(), StoreError> {
        let mut shard = self.shard_of(room);
        let now = self.time();
        if self.change(&mut shard, room, now, |room| room.advance(held, now)) {
            shard.followers.get(room).into_iter().flatten().for_each(|(_, one)| one.gap());
            self.log.append_gap(now);
        }
        Ok(())
    }

    async fn rooms(&self) -> Result<Vec<RoomSummary>, StoreError> {
        let now = self.time();
        let mut summaries = Vec::new();
        for shard in &*self.shards {
            let shard = lock(shard);
            let listed =
                shard.rooms.iter().filter_map(|(name, held)| self.summary(name, held, now));
            summaries.extend(listed);
        }
        Ok(summaries)
    }

    async fn rooms_anew(&self) -> Result<Vec<RoomSummary>, StoreError> {
        self.rooms().await
    }

    async fn summaries(&self, rooms: &[RoomName]) -> Result<Vec<RoomSummary>, StoreError> {
        let now = self.time();
        let summary =
            |name: &RoomName| self.summary(name, self.shard_of(name).rooms.get(name)?, now);
        Ok(rooms.iter().filter_map(summary).collect())
    }

    async fn follow_rooms(&self) -> Result<RoomsFeed, StoreError> {
        Ok(self.of_all_rooms.add())
    }

    async fn follow(&self, room: &RoomName) -> Result<Feed, StoreError> {
        let index = self.index_of(room);
        let mut shard = lock(&self.shards[index]);
        let id = shard.next_follower;
        shard.next_follower += 1;
        let (sender, receiver) =
            feed(Unfollow { shards: Arc::clone(&self.shards), index, room: room.clone(), id });
        shard.followers.entry(room.clone()).or_default().push((id, sender));
        Ok(receiver)
    }

    async fn tell_roster(&self, room: &RoomName) -> Result<(), StoreError> {
        let shard = self.shard_of(room);
        shard.followers.get(room).into_iter().flatten().for_each(|(_, one)| one.roster());
        Ok(())
    }

    async fn follow_events(&self) -> Result<EventFeed, StoreError> {
        self.log.start(self.time());
        // Whoever holds a lock may have looked before the log was on.
        for shard in &*self.shards {
            drop(lock(shard));
        }
        Ok(self.log.follow())
    }

    async fn events_after(&self, after: LogId, max: usize) -> Result<Resumed, StoreError> {
        Ok(self.log.read(after, max).into_resumed())
    }

    async fn log_event(&self, event: FeedEvent) -> Result<(), StoreError> {
        if self.log.is_on() {
            self.log.append_once(event, self.time());
        }
        Ok(())
    }

    async fn renew(&self, room: &RoomName) -> Result<(), StoreError> {
        let now = self.time();
        if let Some(held) = self.shard_of(room).rooms.get_mut(room) {
            held.touched_at = now;
        }
        Ok(())
    }

    fn trust_longer(&self, by: Duration) {
        self.extra_trust.set(by);
    }

    async fn now(&self) -> Result<StoreTime, StoreError> {
        Ok(self.time())
    }

    fn estimated_now(&self) -> Option<StoreTime> {
        Some(self.time())
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
