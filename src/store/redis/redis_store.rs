//! The store in Redis: takes each call of [`Store`] as a step on the rows that it is about.

mod about;
mod bans;
mod list;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    presence::{
        Applied, Ban, BanChanged, Event, Identity, MetadataTold, RepairCounts, Repaired, Repairs,
        Room, RoomName, Rules, StepTaken, StoreTime, Subjects, ToldMetadata, Version,
    },
    store::{
        EventFeed, Feed, FeedEvent, HistoryItem, LogId, Outbox, Position, Resumed, RoomAbout,
        RoomSummary, RoomsFeed, Store, StoreError,
        events::{EventLog, Happened, Origin, passes},
        extra_trust::ExtraTrust,
        outbox::item_of,
    },
};

use super::{
    commit::{Commit, ToLog, Writer},
    events::RedisEvents,
    history::RedisOutbox,
    keys::{Bucket, KeyFormat},
    link::Link,
    message,
    metrics::RedisMetrics,
    peers::RedisPeers,
    reader::RowReader,
    room_list::{self, RoomList},
    rows::HeldRows,
    scripts::Scripts,
    server_time::ServerTime,
    settings::RedisSettings,
    steps::{Effect, Steps, Taken, Wanted},
    subscriber::Subscriber,
    turns::Turns,
};

/// Repairs per write. A room of ten thousand is repaired in several writes, so that other writes fit in between, and a conflict
/// repeats only a part of the work.
const MAX_REPAIRS: usize = 128;
/// Rows without content, and rooms that are gone, that one reading deletes.
const MAX_FORGOTTEN: usize = 100;
/// The memory for rows that earlier steps read or wrote.
const MAX_KEPT_BYTES: usize = 64 * 1024 * 1024;

/// Keeps rooms in Redis.
pub struct RedisStore {
    link: Arc<Link>,
    keys: KeyFormat,
    steps: Steps,
    subscriber: Subscriber,
    rooms: RoomList,
    rules: Rules,
    /// See [`Store::trust_longer`].
    extra_trust: ExtraTrust,
}

impl RedisStore {
    /// Starts the task of the subscriptions. Each call connects by itself if there is no connection yet. Also returns the
    /// instances on this Redis.
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
        let events =
            RedisEvents::new(Arc::clone(&link), keys.clone(), settings.events, subscriber.inbox());
        let outbox = |history| RedisOutbox::new(Arc::clone(&link), keys.clone(), history);
        let steps = Steps {
            outbox: settings.history.map(outbox).map(Arc::new),
            reader: RowReader::new(Arc::clone(&link), keys.clone()),
            writer: Writer {
                link: Arc::clone(&link),
                keys: keys.clone(),
                scripts: Scripts::new(),
                instance,
            },
            turns: Turns::new(MAX_KEPT_BYTES),
            time: ServerTime::new(Arc::clone(&link), settings.clock.clone()),
            metrics,
            events,
        };
        let store = Self {
            rooms: RoomList::new(Arc::clone(&link), keys.clone()),
            link: Arc::clone(&link),
            keys: keys.clone(),
            steps,
            subscriber,
            rules,
            extra_trust: ExtraTrust::default(),
        };
        (store, RedisPeers::new(link, keys))
    }

    /// Where steps leave what they add to the history, if one is kept.
    pub fn outbox(&self) -> Option<Arc<dyn Outbox>> {
        self.steps.outbox.clone().map(|outbox| outbox as Arc<dyn Outbox>)
    }

    /// What a step adds to the history. `step` is told whether metadata is kept.
    fn item<'step>(
        &self,
        room: &RoomName,
        step: impl FnOnce(bool) -> StepTaken<'step>,
    ) -> Option<HistoryItem> {
        let outbox = self.steps.outbox.as_ref()?;
        item_of(room, &step(outbox.settings().metadata))
    }

    /// Applies repairs that are written together. `persons` is none where the person of a repair is not known.
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
        self.steps
            .step(wanted, |slice, now, is_logged| {
                let metadata = slice.as_held().metadata_digest();
                let step = slice.repair(repairs, persons, now, &self.rules)?;
                let happened = Happened {
                    room,
                    sid: slice.sid(),
                    version: slice.version(),
                    now,
                    transitions: &step.transitions,
                    metadata: slice.as_held().metadata_unless(&metadata),
                    origin: Origin::Repairs(repairs.cause),
                };
                let log = ToLog::of(&happened, slice, is_logged);
                let item = self.item(room, |metadata| {
                    let (outcome, transitions) = (&step.outcome, &step.transitions);
                    StepTaken::of_repair(slice.as_held(), outcome, transitions, now, metadata)
                });
                let Repaired { change, counts, .. } = &step.outcome;
                let did_nothing =
                    *counts == RepairCounts { outdated: counts.outdated, ..Default::default() };
                let effect = match change {
                    Some(change) => Effect::Told(message::of_change(room, change)),
                    None if step.outcome.is_refused => Effect::NothingIfRead,
                    None if did_nothing && !repairs.confirms && item.is_none() => {
                        Effect::NothingIfRead
                    }
                    None => Effect::Written,
                };
                Ok(Taken { outcome: step.outcome, touched: step.touched, effect, log, item })
            })
            .await
    }

    /// Deletes some of the rows without content. Does nothing if another write of the room comes first.
    async fn forget_some(&self, room: &RoomName, held: &mut HeldRows, now: StoreTime) {
        let forgotten = held.slice.forget_some(MAX_FORGOTTEN, now);
        if !forgotten.is_empty() {
            let commit = Commit::new(held, &forgotten, &[], now, None, Vec::new());
            let _ = commit.send(&self.steps.writer, room, Duration::ZERO).await;
        }
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn apply(&self, event: &Event) -> Result<Applied, StoreError> {
        let room = &event.room;
        let persons: Vec<_> = event.whose().cloned().into_iter().collect();
        let wanted = Wanted { room, persons: &persons, may_be_unread: true, keeps: false };
        let rules = self.extra_trust.in_rules(&self.rules);
        let applied = self
            .steps
            .step(wanted, |slice, now, is_logged| {
                let metadata = slice.as_held().metadata_digest();
                let step = slice.apply(event, now, &rules)?;
                let happened = Happened {
                    room,
                    sid: slice.sid(),
                    version: slice.version(),
                    now,
                    transitions: &step.transitions,
                    metadata: slice.as_held().metadata_unless(&metadata),
                    origin: Origin::Webhook {
                        event,
                        passes: passes(event, &step.outcome, slice.as_held(), now),
                    },
                };
                let log = ToLog::of(&happened, slice, is_logged);
                let item = self.item(room, |metadata| {
                    let (outcome, transitions) = (&step.outcome, &step.transitions);
                    StepTaken::of_event(slice.as_held(), event, outcome, transitions, now, metadata)
                });
                let effect = match step.outcome.change() {
                    Some(change) => Effect::Told(message::of_change(room, change)),
                    None if step.outcome.is_duplicate() => Effect::NothingIfRead,
                    None => Effect::Written,
                };
                Ok(Taken { outcome: step.outcome, touched: step.touched, effect, log, item })
            })
            .await?;
        if applied.is_duplicate() {
            // The first attempt may have written it, and not brought it into the log, or into the history.
            let bucket = Bucket::of(room.as_str());
            self.steps.outbox.iter().for_each(|outbox| outbox.doubt(bucket));
            self.steps.events.relay_left(bucket).await;
        }
        Ok(applied)
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
            let some = done..total.min(done + MAX_REPAIRS);
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
            repaired.found_ended |= did.found_ended;
            if did.is_refused {
                repaired.counts.outdated += total - done;
            }
            if did.is_refused || done == total {
                return Ok(repaired);
            }
        }
    }

    async fn ban(
        &self,
        room: &RoomName,
        identity: &Identity,
        ban: Option<&Ban>,
    ) -> Result<BanChanged, StoreError> {
        self.set_ban(room, identity, ban).await
    }

    async fn ban_of(
        &self,
        room: &RoomName,
        identity: &Identity,
    ) -> Result<Option<Ban>, StoreError> {
        self.read_ban(room, identity).await
    }

    async fn read(&self, room: &RoomName) -> Result<Option<Arc<Room>>, StoreError> {
        let mut held = self.steps.reader.everybody(room).await?;
        let now = self.steps.time.now().await?;
        self.forget_some(room, &mut held, now).await;
        Ok(held.into_room(now).map(Arc::new))
    }

    async fn tell_metadata(
        &self,
        room: &RoomName,
        told: &ToldMetadata,
    ) -> Result<MetadataTold, StoreError> {
        self.take_metadata(room, told).await
    }

    async fn about(&self, room: &RoomName) -> Result<Option<RoomAbout>, StoreError> {
        self.read_about(room).await
    }

    async fn position(&self, room: &RoomName) -> Result<Option<Position>, StoreError> {
        self.read_position(room).await
    }

    async fn advance(&self, room: &RoomName, held: Version) -> Result<(), StoreError> {
        let wanted = Wanted { room, persons: &[], may_be_unread: false, keeps: false };
        self.steps
            .step(wanted, |slice, now, is_logged| {
                let (effect, log) = match slice.advance(held, now) {
                    true => {
                        let gap = ToLog::Nothing.after_gap(is_logged);
                        (Effect::Told(message::of_gap(room)), gap)
                    }
                    false => (Effect::Nothing, ToLog::Nothing),
                };
                Ok(Taken { outcome: (), touched: Vec::new(), effect, log, item: None })
            })
            .await
    }

    async fn rooms(&self) -> Result<Vec<RoomSummary>, StoreError> {
        // Tests that set the time would wait for a list to get old.
        let may_be_old = self.steps.time.injected().is_none();
        self.list(if may_be_old { room_list::FRESH } else { Duration::ZERO }).await
    }

    async fn rooms_anew(&self) -> Result<Vec<RoomSummary>, StoreError> {
        self.list(Duration::ZERO).await
    }

    async fn summaries(&self, rooms: &[RoomName]) -> Result<Vec<RoomSummary>, StoreError> {
        let listed = self.rooms.read_some(rooms).await?;
        let now = self.steps.time.now().await?;
        Ok(self.summaries_of(listed, now))
    }

    async fn follow_rooms(&self) -> Result<RoomsFeed, StoreError> {
        self.subscriber.follow_all().await
    }

    async fn follow(&self, room: &RoomName) -> Result<Feed, StoreError> {
        self.subscriber.follow(room).await
    }

    async fn tell_roster(&self, room: &RoomName) -> Result<(), StoreError> {
        let channel = self.keys.channel(Bucket::of(room.as_str()));
        self.link.publish(&channel, message::of_roster(room)).await
    }

    async fn follow_events(&self) -> Result<EventFeed, StoreError> {
        self.steps.events.follow().await
    }

    async fn events_after(&self, after: LogId, max: usize) -> Result<Resumed, StoreError> {
        Ok(self.steps.events.read_after(after, max).await?.into_resumed())
    }

    async fn log_event(&self, event: FeedEvent) -> Result<(), StoreError> {
        self.steps.events.log_once(&event).await
    }

    async fn renew(&self, room: &RoomName) -> Result<(), StoreError> {
        let wanted = Wanted { room, persons: &[], may_be_unread: true, keeps: true };
        self.steps
            .step(wanted, |slice, _now, _is_logged| {
                let is_held = slice.version() != Version::ZERO;
                let effect = if is_held { Effect::Written } else { Effect::NothingIfRead };
                Ok(Taken {
                    outcome: (),
                    touched: Vec::new(),
                    effect,
                    log: ToLog::Nothing,
                    item: None,
                })
            })
            .await
    }

    fn trust_longer(&self, by: Duration) {
        self.extra_trust.set(by);
    }

    async fn now(&self) -> Result<StoreTime, StoreError> {
        match self.steps.time.injected() {
            Some(now) => Ok(now),
            None => self.steps.time.ask().await,
        }
    }

    fn estimated_now(&self) -> Option<StoreTime> {
        self.steps.time.estimate()
    }

    async fn check(&self) -> Result<(), StoreError> {
        if !self.subscriber.is_connected() {
            return Err(StoreError::NoChanges);
        }
        self.steps.time.ask().await.map(|_| ())
    }
}
