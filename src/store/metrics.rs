//! Counts and times every call to a store.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use prometheus_client::{
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

use crate::{
    metrics::{Buckets, ByLabel, Histograms, RegistryExt, label},
    presence::{
        Applied, Ban, BanChanged, Event, Identity, MetadataTold, Repaired, Repairs, Room, RoomName,
        StoreTime, Subjects, ToldMetadata, Version,
    },
};

use super::{
    about::RoomAbout,
    error::StoreError,
    events::{EventFeed, FeedEvent, LogId, Resumed},
    feed::Feed,
    interface::Store,
    position::Position,
    rooms_feed::RoomsFeed,
    summary::RoomSummary,
};

/// Counts and times calls to the store.
#[derive(Clone, Debug)]
pub struct StoreMetrics {
    calls: ByLabel<(Kind, OperationOutcome), Counter>,
    seconds: ByLabel<Kind, Histogram, Buckets>,
}

label! {
    enum Kind as "kind" {
        Apply = "apply",
        Repair = "repair",
        Ban = "ban",
        BanOf = "ban_of",
        Read = "read",
        TellMetadata = "tell_metadata",
        About = "about",
        Position = "position",
        Advance = "advance",
        Rooms = "rooms",
        RoomsAnew = "rooms_anew",
        Summaries = "summaries",
        Follow = "follow",
        FollowRooms = "follow_rooms",
        Renew = "renew",
        FollowEvents = "follow_events",
        EventsAfter = "events_after",
        LogEvent = "log_event",
        TellRoster = "tell_roster",
        Now = "now",
        Check = "check",
    }
}

label! {
    enum OperationOutcome as "outcome" {
        Ok = "ok",
        Failed = "failed",
    }
}

impl StoreMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        let calls: Family<_, _> = registry.register_new("store_calls", "Calls to the store");
        let seconds: Histograms<_> = registry.register_seconds(
            "store_call",
            "Time of a call to the store",
            Buckets { first: 0.000_01, factor: 4.0, count: 10 },
        );
        Self { calls: calls.into(), seconds: seconds.into() }
    }
}

/// A store whose calls are counted and timed.
pub struct MeteredStore {
    store: Arc<dyn Store>,
    metrics: StoreMetrics,
}

impl MeteredStore {
    pub fn new(store: Arc<dyn Store>, metrics: StoreMetrics) -> Self {
        Self { store, metrics }
    }

    async fn metered<T>(
        &self,
        kind: Kind,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let started = Instant::now();
        let result = call.await;
        let outcome = if result.is_ok() { OperationOutcome::Ok } else { OperationOutcome::Failed };
        self.metrics.calls.get((kind, outcome)).inc();
        let took = started.elapsed().as_secs_f64();
        self.metrics.seconds.get(kind).observe(took);
        result
    }
}

#[async_trait]
impl Store for MeteredStore {
    async fn apply(&self, event: &Event) -> Result<Applied, StoreError> {
        self.metered(Kind::Apply, self.store.apply(event)).await
    }

    async fn repair(
        &self,
        room: &RoomName,
        repairs: &Repairs,
        subjects: &Subjects,
    ) -> Result<Repaired, StoreError> {
        self.metered(Kind::Repair, self.store.repair(room, repairs, subjects)).await
    }

    async fn ban(
        &self,
        room: &RoomName,
        identity: &Identity,
        ban: Option<&Ban>,
    ) -> Result<BanChanged, StoreError> {
        self.metered(Kind::Ban, self.store.ban(room, identity, ban)).await
    }

    async fn ban_of(
        &self,
        room: &RoomName,
        identity: &Identity,
    ) -> Result<Option<Ban>, StoreError> {
        self.metered(Kind::BanOf, self.store.ban_of(room, identity)).await
    }

    async fn read(&self, room: &RoomName) -> Result<Option<Arc<Room>>, StoreError> {
        self.metered(Kind::Read, self.store.read(room)).await
    }

    async fn tell_metadata(
        &self,
        room: &RoomName,
        told: &ToldMetadata,
    ) -> Result<MetadataTold, StoreError> {
        self.metered(Kind::TellMetadata, self.store.tell_metadata(room, told)).await
    }

    async fn about(&self, room: &RoomName) -> Result<Option<RoomAbout>, StoreError> {
        self.metered(Kind::About, self.store.about(room)).await
    }

    async fn position(&self, room: &RoomName) -> Result<Option<Position>, StoreError> {
        self.metered(Kind::Position, self.store.position(room)).await
    }

    async fn advance(&self, room: &RoomName, held: Version) -> Result<(), StoreError> {
        self.metered(Kind::Advance, self.store.advance(room, held)).await
    }

    async fn rooms(&self) -> Result<Vec<RoomSummary>, StoreError> {
        self.metered(Kind::Rooms, self.store.rooms()).await
    }

    async fn rooms_anew(&self) -> Result<Vec<RoomSummary>, StoreError> {
        self.metered(Kind::RoomsAnew, self.store.rooms_anew()).await
    }

    async fn summaries(&self, rooms: &[RoomName]) -> Result<Vec<RoomSummary>, StoreError> {
        self.metered(Kind::Summaries, self.store.summaries(rooms)).await
    }

    async fn follow_rooms(&self) -> Result<RoomsFeed, StoreError> {
        self.metered(Kind::FollowRooms, self.store.follow_rooms()).await
    }

    async fn follow(&self, room: &RoomName) -> Result<Feed, StoreError> {
        self.metered(Kind::Follow, self.store.follow(room)).await
    }

    async fn tell_roster(&self, room: &RoomName) -> Result<(), StoreError> {
        self.metered(Kind::TellRoster, self.store.tell_roster(room)).await
    }

    async fn follow_events(&self) -> Result<EventFeed, StoreError> {
        self.metered(Kind::FollowEvents, self.store.follow_events()).await
    }

    async fn events_after(&self, after: LogId, max: usize) -> Result<Resumed, StoreError> {
        self.metered(Kind::EventsAfter, self.store.events_after(after, max)).await
    }

    async fn log_event(&self, event: FeedEvent) -> Result<(), StoreError> {
        self.metered(Kind::LogEvent, self.store.log_event(event)).await
    }

    async fn renew(&self, room: &RoomName) -> Result<(), StoreError> {
        self.metered(Kind::Renew, self.store.renew(room)).await
    }

    fn trust_longer(&self, by: Duration) {
        self.store.trust_longer(by);
    }

    async fn now(&self) -> Result<StoreTime, StoreError> {
        self.metered(Kind::Now, self.store.now()).await
    }

    fn estimated_now(&self) -> Option<StoreTime> {
        self.store.estimated_now()
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.metered(Kind::Check, self.store.check()).await
    }
}
