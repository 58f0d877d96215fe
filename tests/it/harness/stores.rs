//! Stores for tests: one that fails on demand, which the embedded store never does, and one that is two instances.

use std::{
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use livekit_presence::{
    presence::{
        Applied, Ban, BanChanged, Event, Identity, MetadataTold, Repaired, Repairs, Room, RoomName,
        StoreTime, Subjects, ToldMetadata, Version,
    },
    store::{
        Cause, EventFeed, Feed, FeedEvent, LogId, Position, Resumed, RoomAbout, RoomSummary,
        RoomsFeed, Store, StoreError,
    },
};
use tokio::sync::watch;

/// Passes every call on to a store, unless a fault is set.
pub struct FlakyStore {
    store: Arc<dyn Store>,
    fault: watch::Sender<StoreFault>,
    /// Calls that came while a fault was set.
    pub refused: Mutex<usize>,
    /// The room that was read last, and how often a room was repaired while a caller of `read` still held it.
    lent: Mutex<(Weak<Room>, usize)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFault {
    None,
    Fails,
    /// Answers nothing until another fault is set, or none.
    Hangs,
}

impl FlakyStore {
    pub fn new(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            store,
            fault: watch::Sender::new(StoreFault::None),
            refused: Mutex::default(),
            lent: Mutex::default(),
        })
    }

    pub fn set_fault(&self, fault: StoreFault) {
        self.fault.send_replace(fault);
    }

    /// How often a room was repaired while a caller of `read` still held it.
    pub fn repairs_of_a_room_in_use(&self) -> usize {
        self.lent.lock().unwrap().1
    }

    async fn pass(&self) -> Result<(), StoreError> {
        let mut fault = self.fault.subscribe();
        if *fault.borrow() != StoreFault::None {
            *self.refused.lock().unwrap() += 1;
        }
        let fault = *fault.wait_for(|fault| *fault != StoreFault::Hangs).await.unwrap();
        match fault {
            StoreFault::None => Ok(()),
            StoreFault::Fails | StoreFault::Hangs => {
                Err(StoreError::Unreachable(Cause::new("told to fail")))
            }
        }
    }
}

#[async_trait]
impl Store for FlakyStore {
    async fn apply(&self, event: &Event) -> Result<Applied, StoreError> {
        self.pass().await?;
        self.store.apply(event).await
    }

    async fn repair(
        &self,
        room: &RoomName,
        repairs: &Repairs,
        subjects: &Subjects,
    ) -> Result<Repaired, StoreError> {
        self.pass().await?;
        {
            let mut lent = self.lent.lock().unwrap();
            // One reference is the store's own.
            if lent.0.strong_count() > 1 {
                lent.1 += 1;
            }
        }
        self.store.repair(room, repairs, subjects).await
    }

    async fn ban(
        &self,
        room: &RoomName,
        identity: &Identity,
        ban: Option<&Ban>,
    ) -> Result<BanChanged, StoreError> {
        self.pass().await?;
        self.store.ban(room, identity, ban).await
    }

    async fn ban_of(
        &self,
        room: &RoomName,
        identity: &Identity,
    ) -> Result<Option<Ban>, StoreError> {
        self.pass().await?;
        self.store.ban_of(room, identity).await
    }

    async fn read(&self, room: &RoomName) -> Result<Option<Arc<Room>>, StoreError> {
        self.pass().await?;
        let read = self.store.read(room).await?;
        if let Some(read) = &read {
            self.lent.lock().unwrap().0 = Arc::downgrade(read);
        }
        Ok(read)
    }

    async fn tell_metadata(
        &self,
        room: &RoomName,
        told: &ToldMetadata,
    ) -> Result<MetadataTold, StoreError> {
        self.pass().await?;
        self.store.tell_metadata(room, told).await
    }

    async fn about(&self, room: &RoomName) -> Result<Option<RoomAbout>, StoreError> {
        self.pass().await?;
        self.store.about(room).await
    }

    async fn position(&self, room: &RoomName) -> Result<Option<Position>, StoreError> {
        self.pass().await?;
        self.store.position(room).await
    }

    async fn advance(&self, room: &RoomName, seen: Version) -> Result<(), StoreError> {
        self.pass().await?;
        self.store.advance(room, seen).await
    }

    async fn rooms(&self) -> Result<Vec<RoomSummary>, StoreError> {
        self.pass().await?;
        self.store.rooms().await
    }

    async fn rooms_anew(&self) -> Result<Vec<RoomSummary>, StoreError> {
        self.pass().await?;
        self.store.rooms_anew().await
    }

    async fn summaries(&self, rooms: &[RoomName]) -> Result<Vec<RoomSummary>, StoreError> {
        self.pass().await?;
        self.store.summaries(rooms).await
    }

    async fn follow_rooms(&self) -> Result<RoomsFeed, StoreError> {
        self.pass().await?;
        self.store.follow_rooms().await
    }

    async fn follow(&self, room: &RoomName) -> Result<Feed, StoreError> {
        self.pass().await?;
        self.store.follow(room).await
    }

    async fn tell_roster(&self, room: &RoomName) -> Result<(), StoreError> {
        self.pass().await?;
        self.store.tell_roster(room).await
    }

    async fn follow_events(&self) -> Result<EventFeed, StoreError> {
        self.pass().await?;
        self.store.follow_events().await
    }

    async fn events_after(&self, after: LogId, max: usize) -> Result<Resumed, StoreError> {
        self.pass().await?;
        self.store.events_after(after, max).await
    }

    async fn log_event(&self, event: FeedEvent) -> Result<(), StoreError> {
        self.pass().await?;
        self.store.log_event(event).await
    }

    async fn renew(&self, room: &RoomName) -> Result<(), StoreError> {
        self.pass().await?;
        self.store.renew(room).await
    }

    fn trust_longer(&self, by: Duration) {
        self.store.trust_longer(by);
    }

    async fn now(&self) -> Result<StoreTime, StoreError> {
        self.pass().await?;
        self.store.now().await
    }

    fn estimated_now(&self) -> Option<StoreTime> {
        self.store.estimated_now()
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.pass().await?;
        self.store.check().await
    }
}

/// Two instances that share their rooms and take turns with the calls.
pub struct TakingTurns {
    stores: [Arc<dyn Store>; 2],
    calls: AtomicUsize,
}

impl TakingTurns {
    pub fn between(stores: [Arc<dyn Store>; 2]) -> Self {
        Self { stores, calls: AtomicUsize::new(0) }
    }

    fn next(&self) -> &Arc<dyn Store> {
        // In the order 0, 1, 0, so that the previous writer is sometimes the same instance and sometimes the other.
        &self.stores[self.calls.fetch_add(1, Ordering::Relaxed) % 3 % 2]
    }
}

#[async_trait]
impl Store for TakingTurns {
    async fn apply(&self, event: &Event) -> Result<Applied, StoreError> {
        self.next().apply(event).await
    }

    async fn repair(
        &self,
        room: &RoomName,
        repairs: &Repairs,
        subjects: &Subjects,
    ) -> Result<Repaired, StoreError> {
        self.next().repair(room, repairs, subjects).await
    }

    async fn ban(
        &self,
        room: &RoomName,
        identity: &Identity,
        ban: Option<&Ban>,
    ) -> Result<BanChanged, StoreError> {
        self.next().ban(room, identity, ban).await
    }

    async fn ban_of(
        &self,
        room: &RoomName,
        identity: &Identity,
    ) -> Result<Option<Ban>, StoreError> {
        self.next().ban_of(room, identity).await
    }

    async fn read(&self, room: &RoomName) -> Result<Option<Arc<Room>>, StoreError> {
        self.next().read(room).await
    }

    async fn tell_metadata(
        &self,
        room: &RoomName,
        told: &ToldMetadata,
    ) -> Result<MetadataTold, StoreError> {
        self.next().tell_metadata(room, told).await
    }

    async fn about(&self, room: &RoomName) -> Result<Option<RoomAbout>, StoreError> {
        self.next().about(room).await
    }

    async fn position(&self, room: &RoomName) -> Result<Option<Position>, StoreError> {
        self.next().position(room).await
    }

    async fn advance(&self, room: &RoomName, seen: Version) -> Result<(), StoreError> {
        self.next().advance(room, seen).await
    }

    async fn rooms(&self) -> Result<Vec<RoomSummary>, StoreError> {
        self.next().rooms().await
    }

    async fn rooms_anew(&self) -> Result<Vec<RoomSummary>, StoreError> {
        self.next().rooms_anew().await
    }

    async fn summaries(&self, rooms: &[RoomName]) -> Result<Vec<RoomSummary>, StoreError> {
        self.next().summaries(rooms).await
    }

    async fn follow_rooms(&self) -> Result<RoomsFeed, StoreError> {
        self.next().follow_rooms().await
    }

    async fn follow(&self, room: &RoomName) -> Result<Feed, StoreError> {
        self.next().follow(room).await
    }

    async fn tell_roster(&self, room: &RoomName) -> Result<(), StoreError> {
        self.next().tell_roster(room).await
    }

    async fn follow_events(&self) -> Result<EventFeed, StoreError> {
        self.next().follow_events().await
    }

    async fn events_after(&self, after: LogId, max: usize) -> Result<Resumed, StoreError> {
        self.next().events_after(after, max).await
    }

    async fn log_event(&self, event: FeedEvent) -> Result<(), StoreError> {
        self.next().log_event(event).await
    }

    async fn renew(&self, room: &RoomName) -> Result<(), StoreError> {
        self.next().renew(room).await
    }

    async fn now(&self) -> Result<StoreTime, StoreError> {
        self.next().now().await
    }

    fn trust_longer(&self, by: Duration) {
        self.stores.iter().for_each(|store| store.trust_longer(by));
    }

    fn estimated_now(&self) -> Option<StoreTime> {
        self.stores[0].estimated_now()
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.next().check().await
    }
}
