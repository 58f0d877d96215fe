use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    coordination::SingleInstance,
    history::HistoryAddress,
    presence::RoomName,
    store::{HistoryItem, ItemId, Kept, OutboxCounts, StoreError},
};

use super::*;

/// An outbox that is never empty.
struct Busy {
    looks: AtomicUsize,
    /// How often the writer asked when to go on.
    gathered: AtomicUsize,
    /// One for each batch that the history has.
    done: Semaphore,
}

impl Busy {
    fn items() -> Vec<PendingItem> {
        let room = RoomName::parse("general").unwrap();
        let item = HistoryItem { room, seq: 1, opening: None, records: Vec::new() };
        vec![PendingItem { id: ItemId { bucket: 0, id: "1".to_owned() }, item: Some(item) }]
    }

    async fn batches(&self, count: u32) {
        let done = timeout(Duration::from_secs(20), self.done.acquire_many(count)).await;
        done.expect("batches go on").unwrap().forget();
    }
}

#[async_trait]
impl Outbox for Busy {
    async fn added(&self) {}

    async fn gathered(&self) {
        self.gathered.fetch_add(1, Ordering::SeqCst);
    }

    async fn pending(&self, _max: usize) -> Result<Vec<PendingItem>, StoreError> {
        Ok(Self::items())
    }

    async fn left_behind(&self, _max: usize) -> Result<Vec<PendingItem>, StoreError> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        Ok(Self::items())
    }

    async fn done(&self, _items: &[PendingItem]) -> Result<(), StoreError> {
        self.done.add_permits(1);
        Ok(())
    }

    async fn kept(&self, _room: &RoomName, _is_repeated: bool) -> Kept {
        Kept::Yes
    }

    fn counts(&self) -> OutboxCounts {
        OutboxCounts::default()
    }
}

#[tokio::test]
async fn a_look_for_what_was_left_behind_is_one_look_however_much_is_added() {
    let outbox = Arc::new(Busy { looks: 0.into(), gathered: 0.into(), done: Semaphore::new(0) });
    let database = Arc::new(Database::connect(&HistoryAddress::Memory).await.unwrap());
    let metrics = HistoryMetrics::register(&mut Registry::default());
    let shared = Arc::clone(&outbox) as Arc<dyn Outbox>;
    let started = Instant::now();
    let writer = Writer::new(database, shared, Arc::new(SingleInstance::default()), metrics);
    let _running = AbortOnDropHandle::new(tokio::spawn(writer.run()));
    outbox.batches(100).await;
    let due = 1 + usize::try_from(started.elapsed().as_secs() / 10).unwrap();
    let looks = outbox.looks.load(Ordering::SeqCst);
    assert!((1..=due).contains(&looks), "{looks} looks, and {due} were due");
    let gathered = outbox.gathered.load(Ordering::SeqCst);
    assert!(gathered + due >= 99, "after {gathered} of 100 batches more was left to come together");
}
