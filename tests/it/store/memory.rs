//! What only the embedded store does: it forgets rooms, so that they do not pile up.

use std::{sync::Arc, time::Duration};

use livekit_presence::{
    presence::{HostTime, Rules},
    store::{MemoryStore, Store},
};

use crate::harness::TestClock;

use super::webhooks::{joined, left, room};

#[tokio::test]
async fn a_room_is_forgotten_after_a_day_without_a_sign_unless_it_is_renewed() {
    let clock = TestClock::default();
    let start = HostTime::from_millis(1_800_000_000_000);
    clock.set(start);
    let store = MemoryStore::new(Rules::default(), clock.clock());
    for number in 0..200 {
        store.apply(&joined(&room(&format!("room-{number}")), "alice", 1)).await.unwrap();
    }
    let (forgotten, renewed) = (room("room-0"), room("room-1"));
    clock.set(start + Duration::from_hours(23));
    store.renew(&renewed).await.unwrap();
    assert_eq!(store.rooms().await.unwrap().len(), 200);

    clock.set(start + Duration::from_hours(25));
    assert!(store.read(&forgotten).await.unwrap().is_none());
    assert_eq!(store.read(&renewed).await.unwrap().unwrap().count(), 1);
    assert_eq!(store.rooms().await.unwrap().len(), 1);
    // Later events free the memory.
    for number in 1_000..1_400 {
        store.apply(&left(&room(&format!("room-{number}")), "bob")).await.unwrap();
    }
    assert_eq!(store.held_rooms(), 401);
}

#[tokio::test]
async fn a_client_keeps_what_it_read_while_the_room_goes_on() {
    let store = Arc::new(MemoryStore::new(Rules::default(), TestClock::default().clock()));
    let general = room("general");
    store.apply(&joined(&general, "alice", 1)).await.unwrap();
    let before = store.read(&general).await.unwrap().unwrap();
    store.apply(&joined(&general, "bob", 2)).await.unwrap();
    assert_eq!(before.count(), 1);
    assert_eq!(store.read(&general).await.unwrap().unwrap().count(), 2);
}
