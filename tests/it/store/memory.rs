//! What only the embedded store does: it forgets rooms, so that they do not pile up, and keeps in this process what the history has
//! yet to take.

use std::{sync::Arc, time::Duration};

use livekit_presence::{
    presence::{HostTime, Record, RoomName, RoomSid, Rules, Version},
    store::{HistoryItem, MemoryStore, Outbox, OutboxSettings, RoomOpening, Store},
};

use crate::harness::TestClock;

use super::webhooks::{finished, in_opening, joined, left, room, started};

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

/// The items that wait, oldest first.
async fn items(outbox: &Arc<dyn Outbox>) -> Vec<HistoryItem> {
    let pending = outbox.pending(100).await.unwrap();
    pending.into_iter().map(|one| one.item.expect("it can be read")).collect()
}

/// The room that an item is about, and what its only record tells.
fn told(item: &HistoryItem) -> (&RoomName, &str) {
    let [record] = &item.records[..] else { panic!("one step, one record: {item:?}") };
    let what = match record {
        Record::Opened(_) => "opened",
        Record::Shown(_) => "shown",
        Record::Left(_) => "left",
        Record::Closed(_) => "closed",
    };
    (&item.room, what)
}

#[tokio::test]
async fn each_step_that_says_something_to_the_history_adds_an_item_with_a_later_seq() {
    let clock = TestClock::default();
    clock.set(HostTime::from_millis(1_800_000_000_000));
    let store = MemoryStore::new(Rules::default(), clock.clock());
    let (store, outbox) =
        store.keeping_history(OutboxSettings { metadata: false, max: 100, keep: Duration::MAX });
    let (general, other) = (room("general"), room("other"));
    let leave = left(&general, "alice");
    for event in [
        in_opening(started(&general), "RM_1"),
        joined(&general, "alice", 1),
        joined(&other, "bob", 2),
        leave.clone(),
        leave,
        in_opening(finished(&general), "RM_1"),
    ] {
        store.apply(&event).await.unwrap();
    }
    store.advance(&general, Version::from_u64(u64::MAX / 2)).await.unwrap();
    store.renew(&general).await.unwrap();

    let items = items(&outbox).await;
    let told: Vec<_> = items.iter().map(told).collect();
    let expected = [
        (&general, "opened"),
        (&general, "shown"),
        (&other, "shown"),
        (&general, "left"),
        (&general, "closed"),
    ];
    assert_eq!(told, expected, "a repeated webhook says nothing, and nor does a version");
    assert!(items.is_sorted_by(|one, next| one.seq < next.seq));
    assert_eq!(items[0].seq, 1_800_000_000_000_000);
    let openings: Vec<_> = items.iter().map(|item| item.opening.as_ref()).collect();
    let is_open = Some(RoomOpening { sid: RoomSid::new("RM_1"), created_at: None });
    let [first, .., last] = &openings[..] else { panic!("five items") };
    assert_eq!((*first, *last), (is_open.as_ref(), None));
}
