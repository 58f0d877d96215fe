use std::future::Future;

use futures_util::FutureExt;
use tokio::time::advance;

use super::*;
use crate::presence::Record;

fn outbox(max: usize) -> MemoryOutbox {
    MemoryOutbox::new(OutboxSettings { metadata: false, max, keep: Duration::MAX })
}

fn room(name: &str) -> RoomName {
    RoomName::parse(name).unwrap()
}

fn add(outbox: &MemoryOutbox, name: &str, now: u64) {
    outbox.add(item(name, Vec::new()), StoreTime::from_micros(now));
}

fn item(name: &str, records: Vec<Record>) -> HistoryItem {
    HistoryItem { room: room(name), seq: 0, opening: None, records }
}

async fn waiting(outbox: &MemoryOutbox) -> Vec<(String, u64)> {
    let pending = outbox.pending(100).await.unwrap();
    let item = |one: PendingItem| one.item.expect("it can be read");
    pending.into_iter().map(item).map(|item| (item.room.to_string(), item.seq)).collect()
}

fn is_ready(kept: &mut (impl Future<Output = Kept> + Unpin)) -> bool {
    kept.now_or_never().is_some_and(|kept| kept == Kept::Yes)
}

#[tokio::test]
async fn items_wait_in_order_until_they_are_done_and_their_seq_only_rises() {
    let outbox = outbox(10);
    for (name, now) in [("a", 100), ("b", 100), ("a", 50), ("a", 300)] {
        add(&outbox, name, now);
    }
    let all = [("a", 100), ("b", 101), ("a", 102), ("a", 300)];
    let all = all.map(|(name, seq)| (name.to_owned(), seq));
    assert_eq!(waiting(&outbox).await, all);
    let first = outbox.pending(2).await.unwrap();
    assert_eq!(waiting(&outbox).await, all, "they come again until they are done");
    outbox.done(&first).await.unwrap();
    outbox.done(&first).await.unwrap();
    assert_eq!(waiting(&outbox).await, all[2..]);
    assert_eq!(outbox.counts(), OutboxCounts { waiting: 2, dropped: 0 });
}

#[tokio::test]
async fn items_are_newer_than_the_rows_although_the_clock_was_set_back() {
    let outbox = outbox(10);
    let seqs = async || waiting(&outbox).await.into_iter().map(|(_, seq)| seq).collect::<Vec<_>>();
    add(&outbox, "a", 100);
    add(&outbox, "b", 105);
    outbox.begin_above(500);
    assert_eq!(seqs().await, [501, 506]);
    add(&outbox, "c", 110);
    assert_eq!(seqs().await, [501, 506, 507]);
    outbox.done(&outbox.pending(10).await.unwrap()).await.unwrap();
    outbox.begin_above(900);
    add(&outbox, "d", 120);
    add(&outbox, "e", 2_000);
    outbox.begin_above(900);
    assert_eq!(seqs().await, [901, 2_000]);
}

#[tokio::test]
async fn a_room_is_kept_when_all_its_items_are_done_that_came_before() {
    let outbox = outbox(10);
    assert!(is_ready(&mut outbox.kept(&room("a"), false)), "nothing was added");
    for name in ["a", "b", "a"] {
        add(&outbox, name, 1);
    }
    let name = room("a");
    let mut kept = outbox.kept(&name, false);
    assert!(!is_ready(&mut kept));
    add(&outbox, "a", 1);
    let [first, of_b, second, later] = &outbox.pending(10).await.unwrap()[..] else { panic!() };
    outbox.done(&[second.clone(), of_b.clone()]).await.unwrap();
    assert!(!is_ready(&mut kept), "its first item is not done");
    outbox.done(std::slice::from_ref(first)).await.unwrap();
    assert!(is_ready(&mut kept), "the later item does not count");
    assert!(!is_ready(&mut outbox.kept(&name, false)), "but it does for whoever asks now");
    outbox.done(std::slice::from_ref(later)).await.unwrap();
    assert!(is_ready(&mut outbox.kept(&name, false)));
    assert!(outbox.items().of_rooms.is_empty());
}

#[tokio::test]
async fn above_the_bound_the_oldest_items_are_dropped_and_counted_and_not_told_to_be_kept() {
    let outbox = outbox(2);
    add(&outbox, "a", 1);
    let name = room("a");
    let mut kept = outbox.kept(&name, false);
    assert_eq!((&mut kept).now_or_never(), None);
    for name in ["b", "c", "d"] {
        add(&outbox, name, 1);
    }
    assert_eq!(kept.now_or_never(), Some(Kept::Lost));
    assert_eq!(waiting(&outbox).await, [("c".to_owned(), 3), ("d".to_owned(), 4)]);
    assert_eq!(outbox.counts(), OutboxCounts { waiting: 2, dropped: 2 });
    for (repeated, expected) in [(true, Kept::Lost), (false, Kept::Yes)] {
        let kept = outbox.kept(&name, repeated).await;
        assert_eq!(kept, expected, "a webhook that adds nothing, repeated: {repeated}");
    }
    // A newer item of the room is kept, whatever became of an older one.
    add(&outbox, "a", 1);
    let mut newer = outbox.kept(&name, false);
    assert_eq!((&mut newer).now_or_never(), None);
    outbox.done(&outbox.pending(10).await.unwrap()).await.unwrap();
    assert_eq!(newer.await, Kept::Yes);
    assert_eq!(outbox.kept(&name, true).await, Kept::Lost);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_history_that_takes_nothing() {
    let outbox = outbox(10);
    let (a, b, c) = (room("a"), room("b"), room("c"));
    let now = |room| outbox.kept(room, false).now_or_never();
    add(&outbox, "a", 1);
    let asked = Instant::now();
    assert_eq!(outbox.kept(&a, false).await, Kept::NotNow);
    assert!(asked.elapsed() >= STUCK_AFTER, "{:?}", asked.elapsed());
    add(&outbox, "b", 1);
    assert_eq!((now(&a), now(&b)), (Some(Kept::NotNow), Some(Kept::NotNow)));
    assert_eq!(now(&c), Some(Kept::Yes), "nothing of it waits");
    let [first, second] = &outbox.pending(10).await.unwrap()[..] else { panic!() };
    outbox.done(std::slice::from_ref(first)).await.unwrap();
    assert_eq!((now(&a), now(&b)), (Some(Kept::Yes), None), "it takes items again");
    outbox.done(std::slice::from_ref(second)).await.unwrap();
    advance(2 * STUCK_AFTER).await;
    add(&outbox, "a", 1);
    assert_eq!(now(&a), None, "there was nothing to take");
}

#[tokio::test]
async fn large_items_make_room_earlier_and_the_newest_waits_whatever_its_size() {
    let outbox = outbox(100);
    let json = r#"{"shown":{"stay":{"sid":"PA_1","identity":"alice","joinedAt":5},"since":5,"media":{},"at":6,"toldBy":"webhook"}}"#;
    let mut large: Record = serde_json::from_str(json).unwrap();
    let Record::Shown(shown) = &mut large else { panic!("it is one") };
    shown.stay.metadata = Some("m".repeat(MIN_BYTES / 2));
    for (name, records, expected) in [
        ("small", vec![], 1),
        ("large", vec![large.clone()], 2),
        ("larger", vec![large.clone(), large.clone()], 1),
        ("last", vec![], 1),
    ] {
        outbox.add(item(name, records), StoreTime::default());
        assert_eq!(waiting(&outbox).await.len(), expected, "{name}");
    }
    assert_eq!(outbox.items().bytes, 0);
}

#[tokio::test]
async fn whoever_waits_for_items_is_told_of_one_that_came_before() {
    let outbox = outbox(10);
    assert!(outbox.added().now_or_never().is_none());
    add(&outbox, "a", 1);
    assert!(outbox.added().now_or_never().is_some());
    assert!(outbox.added().now_or_never().is_none());
}
