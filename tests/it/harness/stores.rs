//! A store that fails when told to: the embedded store cannot fail, so this stands for one that can. And one that is two
//! instances.

use std::{
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use livekit_presence::{
    presence::{Applied, Event, Repaired, Repairs, Room, RoomName, StoreTime, Subjects, Version},
    store::{Cause, Feed, Position, RoomSummary, Store, StoreError},
};
use tokio::sync::watch;

/// Passes everything on, as long as its mood is good.
pub struct FlakyStore {
    store: Arc<dyn Store>,
    mood: watch::Sender<StoreMood>,
    /// How many calls have come to a bad mood.
    pub refused: Mutex<usize>,
    /// The last room that was read, and how often one was repaired while its subscriber still had it.
    lent: Mutex<(Weak<Room>, usize)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreMood {
    Works,
    Fails,
    /// Answers only once the mood is another.
    Hangs,
}

impl FlakyStore {
    pub fn new(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            store,
            mood: watch::Sender::new(StoreMood::Works),
            refused: Mutex::default(),
            lent: Mutex::default(),
        })
    }

    pub fn set(&self, mood: StoreMood) {
        self.mood.send_replace(mood);
    }

    /// How often a room was repaired while a subscriber still held it.
    pub fn repairs_of_a_room_in_use(&self) -> usize {
        self.lent.lock().unwrap().1
    }

    async fn pass(&self) -> Result<(), StoreError> {
        let mut mood = self.mood.subscribe();
        if *mood.borrow() != StoreMood::Works {
            *self.refused.lock().unwrap() += 1;
        }
        let mood = *mood.wait_for(|mood| *mood != StoreMood::Hangs).await.unwrap();
        match mood {
            StoreMood::Works => Ok(()),
            StoreMood::Fails | StoreMood::Hangs => {
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
            // The store's own is one.
            if lent.0.strong_count() > 1 {
                lent.1 += 1;
            }
        }
        self.store.repair(room, repairs, subjects).await
    }

    async fn read(&self, room: &RoomName) -> Result<Option<Arc<Room>>, StoreError> {
        self.pass().await?;
        let read = self.store.read(room).await?;
        if let Some(read) = &read {
            self.lent.lock().unwrap().0 = Arc::downgrade(read);
        }
        Ok(read)
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

    async fn follow(&self, room: &RoomName) -> Result<Feed, StoreError> {
        self.pass().await?;
        self.store.follow(room).await
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

/// Two instances on what they share, of which each takes every other call.
pub struct TakingTurns {
    stores: [Arc<dyn Store>; 2],
    calls: AtomicUsize,
}

impl TakingTurns {
    pub fn between(stores: [Arc<dyn Store>; 2]) -> Self {
        Self { stores, calls: AtomicUsize::new(0) }
    }

    fn next(&self) -> &Arc<dyn Store> {
        // Now one twice, now the other: who wrote last is not always who did before.
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

    async fn read(&self, room: &RoomName) -> Result<Option<Arc<Room>>, StoreError> {
        self.next().read(room).await
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

    async fn follow(&self, room: &RoomName) -> Result<Feed, StoreError> {
        self.next().follow(room).await
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
