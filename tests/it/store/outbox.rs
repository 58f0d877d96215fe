//! The contract of outboxes: what steps add to the history lies there until the history has it. `suite!` makes its tests for one
//! store.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use livekit_presence::{
    presence::{Applied, LeftWhy, Listing, Record, Rules, ToldBy, plan},
    store::{HistoryItem, Outbox, OutboxSettings, PendingItem, Store},
};

use crate::harness::within_deadline;

use super::webhooks::{
    finished, in_opening, joined, joined_as, joined_hidden, left, left_visible, room, session,
    started, unpublished,
};

macro_rules! suite {
    ($name:ident, $store:expr) => {
        mod $name {
            use crate::store::outbox;

            outbox::suite!(@tests $store;
                an_item_is_there_as_soon_as_its_step_is
                items_of_a_room_come_in_the_order_of_its_steps
                what_the_history_has_comes_no_more
                what_the_history_has_not_comes_again
                the_rest_comes_when_the_history_has_the_first
                a_full_outbox_drops_the_oldest_and_counts_them
                a_step_that_adds_nothing_leaves_nothing
                a_hidden_session_that_is_visible_as_it_leaves_leaves_nothing
                a_hidden_session_that_was_replaced_leaves_nothing_when_its_leave_comes
                what_a_comparison_finds_is_added_too
                the_life_of_the_room_is_named_while_it_is_open
                a_step_wakes_the_writer_of_the_history
            );
        }
    };
    (@tests $store:expr; $($test:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let (store, outbox, _server) = $store.await;
                outbox::$test(store, outbox).await;
            }
        )+
    };
}
pub(super) use suite;

type Shared = Arc<dyn Store>;
type SharedOutbox = Arc<dyn Outbox>;

/// How the outboxes of these tests are set up.
pub const SETTINGS: OutboxSettings =
    OutboxSettings { metadata: false, max: 20, keep: Duration::MAX };

/// All that lies in an outbox, as far as its instance hands it out.
pub async fn all(outbox: &SharedOutbox) -> Vec<HistoryItem> {
    items(outbox.pending(1_000).await.unwrap())
}

pub fn items(pending: Vec<PendingItem>) -> Vec<HistoryItem> {
    pending.into_iter().map(|one| one.item.expect("it can be read")).collect()
}

/// What the records of items say, in short.
pub fn told(items: &[HistoryItem]) -> Vec<String> {
    let one = |record: &Record| match record {
        Record::Opened(opened) => format!("opened {}", opened.sid),
        Record::Closed(closed) => format!("closed {}", closed.sid),
        Record::Shown(shown) => format!("shown {}", shown.stay.sid),
        Record::Left(left) => format!("left {}", left.stay.sid),
    };
    items.iter().flat_map(|item| &item.records).map(one).collect()
}

pub async fn an_item_is_there_as_soon_as_its_step_is(store: Shared, outbox: SharedOutbox) {
    let general = room("general");
    assert_eq!(all(&outbox).await, []);
    store.apply(&joined(&general, "alice", 7)).await.unwrap();
    let items = all(&outbox).await;
    assert_eq!((items.len(), &items[0].room), (1, &general));
    let [Record::Shown(shown)] = &items[0].records[..] else { panic!("{items:?}") };
    assert_eq!((shown.stay.sid.as_str(), shown.stay.identity.as_str()), ("PA_alice", "alice"));
    assert_eq!((shown.since.as_millis(), shown.told_by), (7, ToldBy::Webhook));
    let now = store.now().await.unwrap().as_micros();
    assert!((now - 60_000_000..=now).contains(&items[0].seq), "microseconds: {}", items[0].seq);
    assert_eq!(outbox.counts().waiting, 1);
}

pub async fn items_of_a_room_come_in_the_order_of_its_steps(store: Shared, outbox: SharedOutbox) {
    let general = room("general");
    for event in [
        joined(&general, "alice", 1),
        joined(&general, "bob", 2),
        left(&general, "alice"),
        joined_as(&general, "bob", "PA_bob_2", 3),
    ] {
        store.apply(&event).await.unwrap();
    }
    let items = all(&outbox).await;
    let expected =
        ["shown PA_alice", "shown PA_bob", "left PA_alice", "left PA_bob", "shown PA_bob_2"];
    assert_eq!(told(&items), expected);
    assert!(items.is_sorted_by(|one, next| one.seq < next.seq), "{items:?}");
}

pub async fn what_the_history_has_comes_no_more(store: Shared, outbox: SharedOutbox) {
    let general = room("general");
    for round in 0..3 {
        for person in ["alice", "bob"] {
            store.apply(&joined(&general, &format!("{person}-{round}"), 1)).await.unwrap();
        }
        let pending = outbox.pending(1_000).await.unwrap();
        assert_eq!(pending.len(), 2, "round {round}");
        outbox.done(&pending).await.unwrap();
        assert_eq!(all(&outbox).await, []);
        assert_eq!(outbox.counts().waiting, 0);
        outbox.done(&pending).await.unwrap();
    }
}

pub async fn what_the_history_has_not_comes_again(store: Shared, outbox: SharedOutbox) {
    let general = room("general");
    store.apply(&joined(&general, "alice", 1)).await.unwrap();
    let first = outbox.pending(1_000).await.unwrap();
    assert_eq!(outbox.pending(1_000).await.unwrap(), first);
    store.apply(&joined(&general, "bob", 2)).await.unwrap();
    assert_eq!(told(&all(&outbox).await), ["shown PA_alice", "shown PA_bob"]);
    outbox.done(&first).await.unwrap();
    assert_eq!(told(&all(&outbox).await), ["shown PA_bob"]);
}

pub async fn the_rest_comes_when_the_history_has_the_first(store: Shared, outbox: SharedOutbox) {
    for number in 0..12 {
        let name = room(&format!("room-{}", number % 2));
        store.apply(&joined(&name, &format!("user-{number}"), 1)).await.unwrap();
    }
    let mut sizes = Vec::new();
    let mut rooms = [Vec::new(), Vec::new()];
    loop {
        let pending = outbox.pending(5).await.unwrap();
        if pending.is_empty() {
            break;
        }
        outbox.done(&pending).await.unwrap();
        sizes.push(pending.len());
        for item in items(pending) {
            rooms[usize::from(item.room == room("room-1"))].extend(told(&[item]));
        }
    }
    assert_eq!(sizes, [5, 5, 2]);
    for (first, told) in rooms.into_iter().enumerate() {
        let users = (first..12).step_by(2).map(|number| format!("shown PA_user-{number}"));
        assert_eq!(told, users.collect::<Vec<_>>());
    }
}

pub async fn a_full_outbox_drops_the_oldest_and_counts_them(store: Shared, outbox: SharedOutbox) {
    let general = room("general");
    for number in 0..SETTINGS.max + 3 {
        store.apply(&joined(&general, &format!("user-{number:02}"), 1)).await.unwrap();
    }
    let told = told(&all(&outbox).await);
    assert_eq!((told.len(), told[0].as_str()), (SETTINGS.max, "shown PA_user-03"));
    assert_eq!(told.last().unwrap(), "shown PA_user-22");
    let counts = outbox.counts();
    assert_eq!((counts.waiting, counts.dropped), (SETTINGS.max as u64, 3));
}

pub async fn a_step_that_adds_nothing_leaves_nothing(store: Shared, outbox: SharedOutbox) {
    let general = room("general");
    let join = joined(&general, "alice", 1);
    store.apply(&join).await.unwrap();
    outbox.done(&outbox.pending(1_000).await.unwrap()).await.unwrap();
    assert_eq!(store.apply(&join).await.unwrap(), Applied::Duplicate);
    store.apply(&unpublished(&general, "alice", "TR_unknown")).await.unwrap();
    store.renew(&general).await.unwrap();
    assert_eq!(all(&outbox).await, []);
}

pub async fn a_hidden_session_that_is_visible_as_it_leaves_leaves_nothing(
    store: Shared,
    outbox: SharedOutbox,
) {
    let general = room("general");
    store.apply(&joined_hidden(&general, "ghost")).await.unwrap();
    store.apply(&left_visible(&general, "ghost")).await.unwrap();
    assert_eq!(all(&outbox).await, []);
    store.apply(&left_visible(&general, "alice")).await.unwrap();
    assert_eq!(told(&all(&outbox).await), ["left PA_alice"], "of whom nothing was known");
}

pub async fn a_hidden_session_that_was_replaced_leaves_nothing_when_its_leave_comes(
    store: Shared,
    outbox: SharedOutbox,
) {
    let general = room("general");
    store.apply(&joined_hidden(&general, "ghost")).await.unwrap();
    store.apply(&joined_as(&general, "ghost", "PA_ghost_2", 7)).await.unwrap();
    store.apply(&left_visible(&general, "ghost")).await.unwrap();
    assert_eq!(told(&all(&outbox).await), ["shown PA_ghost_2"]);
}

pub async fn what_a_comparison_finds_is_added_too(store: Shared, outbox: SharedOutbox) {
    let general = room("general");
    store.apply(&joined(&general, "alice", 1)).await.unwrap();
    let asked_at = store.now().await.unwrap();
    let held = store.read(&general).await.unwrap().unwrap();
    let sessions = vec![session("alice", 1), session("bob", 2)];
    let repairs = plan(&held, &Listing { asked_at, sessions }, &[], &Rules::default());
    store.repair(&general, &repairs, &repairs.subjects(&held)).await.unwrap();
    let items = all(&outbox).await;
    assert_eq!(told(&items), ["shown PA_alice", "shown PA_bob"]);
    let Record::Shown(shown) = &items[1].records[0] else { panic!("{items:?}") };
    assert_eq!((shown.since.as_millis(), shown.told_by), (2, ToldBy::Comparison));
}

pub async fn the_life_of_the_room_is_named_while_it_is_open(store: Shared, outbox: SharedOutbox) {
    let general = room("general");
    store.apply(&in_opening(started(&general), "RM_1")).await.unwrap();
    store.apply(&in_opening(joined(&general, "alice", 1), "RM_1")).await.unwrap();
    store.apply(&in_opening(finished(&general), "RM_1")).await.unwrap();
    let items = all(&outbox).await;
    assert_eq!(told(&items), ["opened RM_1", "shown PA_alice", "left PA_alice", "closed RM_1"]);
    let opening = items[1].opening.as_ref().expect("it is open");
    assert_eq!(opening.sid.as_str(), "RM_1");
    let Record::Left(left) = &items[2].records[0] else { panic!("{items:?}") };
    assert_eq!(left.why, LeftWhy::Concluded);
    assert_eq!(left.stay.room_sid.as_ref().unwrap().as_str(), "RM_1");
}

pub async fn a_step_wakes_the_writer_of_the_history(store: Shared, outbox: SharedOutbox) {
    let general = room("general");
    assert!(outbox.added().now_or_never().is_none(), "there is nothing");
    let waiting = tokio::spawn({
        let outbox = Arc::clone(&outbox);
        async move { outbox.added().await }
    });
    store.apply(&joined(&general, "alice", 1)).await.unwrap();
    within_deadline("the writer to wake", waiting).await.unwrap();
    assert_eq!(told(&all(&outbox).await), ["shown PA_alice"]);
}
