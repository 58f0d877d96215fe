//! A store that fails when told to. The embedded store cannot fail, so this stands for one that can.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use livekit_presence::{
    presence::{
        Applied, Event, ParticipantSid, Repaired, Repairs, Room, RoomName, StoreTime, Version,
    },
    store::{Feed, Position, RoomSummary, Store, StoreError},
};
use tokio::sync::watch;

/// Passes everything on, as long as its mood is good.
pub struct FlakyStore {
    store: Arc<dyn Store>,
    mood: watch::Sender<StoreMood>,
    /// How many calls have come to a bad mood.
    pub refused: Mutex<usize>,
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
        })
    }

    pub fn set(&self, mood: StoreMood) {
        self.mood.send_replace(mood);
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
                Err(StoreError { reason: "told to fail".to_owned() })
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

    async fn repair(&self, room: &RoomName, repairs: &Repairs) -> Result<Repaired, StoreError> {
        self.pass().await?;
        self.store.repair(room, repairs).await
    }

    async fn read(&self, room: &RoomName) -> Result<Option<Arc<Room>>, StoreError> {
        self.pass().await?;
        self.store.read(room).await
    }

    async fn position(&self, room: &RoomName) -> Result<Option<Position>, StoreError> {
        self.pass().await?;
        self.store.position(room).await
    }

    async fn read_with(
        &self,
        room: &RoomName,
        sessions: &[ParticipantSid],
    ) -> Result<Option<Arc<Room>>, StoreError> {
        self.pass().await?;
        self.store.read_with(room, sessions).await
    }

    async fn lift(&self, room: &RoomName, seen: Version) -> Result<(), StoreError> {
        self.pass().await?;
        self.store.lift(room, seen).await
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
