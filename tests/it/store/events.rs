//! The contract of the log of events. `suite!` makes its tests for one store.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use livekit_presence::{
    presence::{Listing, ParticipantSid, Repairs, RoomName, Rules, plan},
    store::{EventFeed, EventFeedMessage, EventSource, FeedEvent, LogId, LoggedEvent, Store},
};
use serde_json::{Value, json};

use crate::harness::within_deadline;

pub use super::event_contents::*;
use super::webhooks::{finished, in_opening, joined, joined_as, left, room, session, started};

macro_rules! suite {
    ($name:ident, $store:expr) => {
        mod $name {
            use crate::store::events;

            events::suite!(@tests $store;
                joins_and_leaves_arrive_in_order_and_once
                a_leave_comes_before_the_join_that_replaces_it
                a_room_that_ends_says_first_who_leaves_and_then_that_it_ended
                what_a_comparison_corrects_says_so
                what_follows_from_a_moderators_act_says_so
                hidden_sessions_are_never_told_of
                a_hidden_session_that_replaces_a_visible_one_is_not_hinted_at
                large_metadata_of_a_room_goes_only_with_its_own_event
                large_events_make_room_for_newer_ones
                track_events_have_the_participant_and_the_track
                an_aborted_connection_passes_with_its_participant
                an_event_about_nobody_is_logged_once_by_its_id
                nothing_is_logged_before_somebody_follows
                a_follower_goes_on_from_every_position_it_was_given
                every_follower_gets_everything_in_the_same_order
                what_was_trimmed_is_said_to_be_a_gap
                an_unknown_position_is_a_gap
                a_follower_that_falls_behind_reads_the_log
                the_log_goes_on_when_its_last_follower_has_left
            );
        }
    };
    (@tests $store:expr; $($test:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let (store, _server) = $store.await;
                events::$test(store).await;
            }
        )+
    };
}
pub(super) use suite;

type Shared = Arc<dyn Store>;

/// How long, and how many, events the stores of these tests keep.
pub const KEEP: Duration = Duration::from_mins(10);
pub const MAX_EVENTS: usize = 100;

pub async fn joins_and_leaves_arrive_in_order_and_once(store: Shared) {
    let general = room("general");
    let mut feed = store.follow_events().await.unwrap();
    let join = joined(&general, "alice", 1);
    for event in [started(&general), join.clone(), join.clone(), left(&general, "alice")] {
        store.apply(&event).await.unwrap();
    }
    store.apply(&join).await.unwrap();
    let logged = next(&mut feed, 3).await;
    let names: Vec<_> = logged.iter().map(|one| one.event.name.as_str()).collect();
    assert_eq!(names, ["room_started", "participant_joined", "participant_left"]);
    assert_eq!(logged[1].event.id, join.id.unwrap().as_str());
    assert_eq!(logged[1].event.source, Some(EventSource::Webhook));
    assert_eq!(logged[1].event.timestamp, 1_000, "LiveKit's seconds");
    assert_eq!(logged[0].event.source, None);
    let data = data(&logged[2]);
    assert_eq!(data["room"]["name"], "general");
    assert_eq!(data["participant"]["sid"], "PA_alice");
    assert_eq!(data["participant"]["joinedAt"], 1);
    nothing_more(&store, &mut feed).await;
}

pub async fn a_leave_comes_before_the_join_that_replaces_it(store: Shared) {
    let general = room("general");
    let mut feed = store.follow_events().await.unwrap();
    store.apply(&joined(&general, "alice", 1)).await.unwrap();
    store.apply(&joined_as(&general, "alice", "PA_alice_2", 2)).await.unwrap();
    let logged = next(&mut feed, 3).await;
    let told: Vec<_> = logged.iter().map(|one| (one.event.name.as_str(), sid(one))).collect();
    assert_eq!(
        told,
        [
            ("participant_joined", "PA_alice".to_owned()),
            ("participant_left", "PA_alice".to_owned()),
            ("participant_joined", "PA_alice_2".to_owned()),
        ]
    );
    assert_eq!(logged[1].event.source, Some(EventSource::ParticipantJoined));
    assert!(
        logged[1].event.id.starts_with("LKP_"),
        "no webhook of its own: {}",
        logged[1].event.id
    );
    assert_eq!(logged[2].event.source, Some(EventSource::Webhook));
    // The older session's own leave changes nothing that is shown.
    store.apply(&left(&general, "alice")).await.unwrap();
    nothing_more(&store, &mut feed).await;
}

pub async fn a_room_that_ends_says_first_who_leaves_and_then_that_it_ended(store: Shared) {
    let general = room("general");
    let mut feed = store.follow_events().await.unwrap();
    for person in ["alice", "bob"] {
        store.apply(&in_opening(joined(&general, person, 1), "RM_1")).await.unwrap();
    }
    next(&mut feed, 2).await;
    store.apply(&in_opening(finished(&general), "RM_1")).await.unwrap();
    let logged = next(&mut feed, 3).await;
    let names: Vec<_> = logged.iter().map(|one| one.event.name.as_str()).collect();
    assert_eq!(names, ["participant_left", "participant_left", "room_finished"]);
    assert_eq!(logged[0].event.source, Some(EventSource::RoomFinished));
    let ids: BTreeSet<_> = logged.iter().map(|one| one.event.id.clone()).collect();
    assert_eq!(ids.len(), 3, "each has its own id");
}

pub async fn what_a_comparison_corrects_says_so(store: Shared) {
    let general = room("general");
    let mut feed = store.follow_events().await.unwrap();
    store.apply(&joined(&general, "alice", 1)).await.unwrap();
    let asked_at = store.now().await.unwrap();
    let held = store.read(&general).await.unwrap().unwrap();
    let sessions = vec![session("alice", 1), session("bob", 2)];
    let repairs = plan(&held, &Listing { asked_at, sessions }, &[], &Rules::default());
    store.repair(&general, &repairs, &repairs.subjects(&held)).await.unwrap();
    let logged = next(&mut feed, 2).await;
    assert_eq!(
        (logged[1].event.name.as_str(), sid(&logged[1])),
        ("participant_joined", "PA_bob".into())
    );
    assert_eq!(logged[1].event.source, Some(EventSource::Comparison));
    let now = i64::try_from(store.now().await.unwrap().as_millis()).unwrap();
    assert!((now - 60_000..=now).contains(&logged[1].event.timestamp), "by the store's clock");
    store.repair(&general, &repairs, &repairs.subjects(&held)).await.unwrap();
    nothing_more(&store, &mut feed).await;
}

pub async fn what_follows_from_a_moderators_act_says_so(store: Shared) {
    let general = room("general");
    let mut feed = store.follow_events().await.unwrap();
    store.apply(&joined(&general, "alice", 1)).await.unwrap();
    let asked_at = store.now().await.unwrap();
    let held = store.read(&general).await.unwrap().unwrap();
    let repairs = Repairs::moderated(&held, asked_at, held.after_end());
    store.repair(&general, &repairs, &repairs.subjects(&held)).await.unwrap();
    store.apply(&left(&general, "alice")).await.unwrap();
    let logged = next(&mut feed, 2).await;
    assert_eq!(logged[1].event.name, "participant_left");
    assert_eq!(logged[1].event.source, Some(EventSource::Moderation));
    nothing_more(&store, &mut feed).await;
}

pub async fn an_event_about_nobody_is_logged_once_by_its_id(store: Shared) {
    store.log_event(egress("EV_before")).await.unwrap();
    let mut feed = store.follow_events().await.unwrap();
    for id in ["EV_egress", "EV_egress", "EV_other", "EV_egress"] {
        store.log_event(egress(id)).await.unwrap();
    }
    let logged = next(&mut feed, 2).await;
    let ids: Vec<_> = logged.iter().map(|one| one.event.id.as_str()).collect();
    assert_eq!(ids, ["EV_egress", "EV_other"]);
    assert_eq!(data(&logged[0]), json!({"egress":{"egressId":"EG_1"}}));
    nothing_more(&store, &mut feed).await;
}

pub async fn nothing_is_logged_before_somebody_follows(store: Shared) {
    let general = room("general");
    store.apply(&joined(&general, "alice", 1)).await.unwrap();
    let mut feed = store.follow_events().await.unwrap();
    let resumed = store.events_after(feed.position(), MAX_EVENTS).await.unwrap();
    assert!(resumed.events.is_empty() && !resumed.is_gap);
    store.apply(&joined(&general, "bob", 2)).await.unwrap();
    assert_eq!(sid(&next(&mut feed, 1).await[0]), "PA_bob");
}

pub async fn a_follower_goes_on_from_every_position_it_was_given(store: Shared) {
    let general = room("general");
    let mut feed = store.follow_events().await.unwrap();
    let start = feed.position();
    for number in 0..20 {
        store.apply(&joined(&general, &format!("user-{number:02}"), number)).await.unwrap();
    }
    let logged = next(&mut feed, 20).await;
    let mut prev = start;
    for one in &logged {
        assert_eq!(one.prev, prev, "each builds on the one before");
        assert!(one.id > prev);
        prev = one.id;
    }
    assert_eq!(feed.position(), prev);
    let positions = std::iter::once(start).chain(logged.iter().map(|one| one.id));
    for (count, position) in positions.enumerate() {
        let resumed = store.events_after(position, MAX_EVENTS).await.unwrap();
        assert!(!resumed.is_gap, "{position}");
        assert_eq!(ids(&resumed.events), ids(&logged[count..]), "{position}");
        assert_eq!(resumed.newest, prev);
    }
    let some = store.events_after(start, 7).await.unwrap();
    assert_eq!(ids(&some.events), ids(&logged[..7]));
}

pub async fn every_follower_gets_everything_in_the_same_order(store: Shared) {
    let mut feeds = [store.follow_events().await.unwrap(), store.follow_events().await.unwrap()];
    let posting: Vec<_> = (0..8)
        .map(|number| {
            let (store, room) = (Arc::clone(&store), room(&format!("room-{number}")));
            tokio::spawn(async move {
                for person in 0..10 {
                    let identity = format!("user-{person}");
                    store.apply(&joined(&room, &identity, person)).await.unwrap();
                }
            })
        })
        .collect();
    for posted in posting {
        posted.await.unwrap();
    }
    let first = next(&mut feeds[0], 80).await;
    let second = next(&mut feeds[1], 80).await;
    assert_eq!(ids(&first), ids(&second));
    for number in 0..8 {
        let room = room(&format!("room-{number}"));
        let of_room = first.iter().filter(|one| one.event.room.as_ref() == Some(&room));
        let sids: Vec<_> = of_room.map(sid).collect();
        let expected: Vec<_> = (0..10).map(|person| format!("PA_user-{person}")).collect();
        assert_eq!(sids, expected, "in the order of the room");
    }
}

pub async fn what_was_trimmed_is_said_to_be_a_gap(store: Shared) {
    let general = room("general");
    let mut feed = store.follow_events().await.unwrap();
    let start = feed.position();
    let count = i64::try_from(MAX_EVENTS).unwrap() + 5;
    for number in 0..count {
        store.apply(&joined(&general, &format!("user-{number}"), number)).await.unwrap();
    }
    let logged = next(&mut feed, MAX_EVENTS + 5).await;
    for position in [start, logged[0].id, logged[3].id] {
        let resumed = store.events_after(position, MAX_EVENTS).await.unwrap();
        assert!(resumed.is_gap && resumed.events.is_empty(), "{position}");
        assert_eq!(resumed.newest, logged.last().unwrap().id);
    }
    // The last event that was trimmed: everything after it is there.
    let resumed = store.events_after(logged[4].id, MAX_EVENTS).await.unwrap();
    assert!(!resumed.is_gap);
    assert_eq!(ids(&resumed.events), ids(&logged[5..]));
}

pub async fn an_unknown_position_is_a_gap(store: Shared) {
    let general = room("general");
    let mut feed = store.follow_events().await.unwrap();
    for number in 0..5 {
        store.apply(&joined(&general, &format!("user-{number}"), number)).await.unwrap();
    }
    let last = next(&mut feed, 5).await[4].id;
    for position in [LogId::default(), last.next(0), last.next(last.millis() + 1_000)] {
        assert!(store.events_after(position, 10).await.unwrap().is_gap, "{position}");
    }
}

pub async fn a_follower_that_falls_behind_reads_the_log(store: Shared) {
    let mut feed = store.follow_events().await.unwrap();
    // More than its queue has room for, and more than the log keeps.
    for number in 0..1_100 {
        store.log_event(egress(&format!("EV_{number}"))).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut gaps = 0;
    while seen.last().is_none_or(|id| id != "EV_1099") {
        match within_deadline("the feed", feed.next()).await {
            EventFeedMessage::Logged(logged) => {
                seen.extend(logged.iter().map(|one| one.event.id.clone()));
            }
            EventFeedMessage::Gap => {
                gaps += 1;
                store.log_event(egress("EV_1099")).await.unwrap();
                store.log_event(egress(&format!("EV_after_{gaps}"))).await.unwrap();
                let after = next(&mut feed, 1).await;
                assert_eq!(after[0].event.id, format!("EV_after_{gaps}"), "and then it goes on");
                return;
            }
        }
    }
    assert_eq!(seen.len(), 1_100, "nothing was lost, and so there was no gap");
}

pub async fn the_log_goes_on_when_its_last_follower_has_left(store: Shared) {
    let general = room("general");
    let feed = store.follow_events().await.unwrap();
    let position = feed.position();
    drop(feed);
    store.apply(&joined(&general, "alice", 1)).await.unwrap();
    let mut feed = store.follow_events().await.unwrap();
    let resumed = store.events_after(position, 10).await.unwrap();
    assert!(!resumed.is_gap);
    assert_eq!(resumed.events.len(), 1);
    assert_eq!(feed.position(), resumed.events[0].id);
    store.apply(&joined(&general, "bob", 2)).await.unwrap();
    assert_eq!(sid(&next(&mut feed, 1).await[0]), "PA_bob");
}

/// The next `count` events.
pub async fn next(feed: &mut EventFeed, count: usize) -> Vec<LoggedEvent> {
    let mut logged = Vec::new();
    while logged.len() < count {
        match within_deadline("an event", feed.next()).await {
            EventFeedMessage::Logged(more) => logged.extend(more),
            EventFeedMessage::Gap => panic!("nothing was lost after {logged:#?}"),
        }
    }
    assert_eq!(logged.len(), count, "{:#?}", logged.last());
    logged
}

/// Checks that nothing else was logged, by an event of another room that comes next.
pub async fn nothing_more(store: &Shared, feed: &mut EventFeed) {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let id = format!("EV_nothing_more_{number}");
    store.log_event(egress(&id)).await.unwrap();
    assert_eq!(next(feed, 1).await[0].event.id, id);
}

pub fn data(logged: &LoggedEvent) -> Value {
    serde_json::from_str(logged.event.data.get()).unwrap()
}

pub fn sid(logged: &LoggedEvent) -> String {
    data(logged)["participant"]["sid"].as_str().unwrap_or_default().to_owned()
}

pub fn ids(logged: &[LoggedEvent]) -> Vec<LogId> {
    logged.iter().map(|one| one.id).collect()
}

pub fn egress(id: &str) -> FeedEvent {
    let data = json!({"egress":{"egressId":"EG_1"}});
    FeedEvent::new(id.to_owned(), "egress_started".to_owned(), None, &data, 5_000)
}

/// The sessions that an observer counts who adds who joins and takes out who leaves.
#[derive(Default)]
pub struct Fold(BTreeSet<(RoomName, ParticipantSid)>);

impl Fold {
    pub fn take(&mut self, logged: &LoggedEvent) {
        let Some(room) = &logged.event.room else { return };
        let session = (room.clone(), ParticipantSid::new(sid(logged)));
        match logged.event.name.as_str() {
            "participant_joined" => {
                assert!(self.0.insert(session), "nobody joins twice: {logged:#?}");
            }
            "participant_left" => {
                assert!(self.0.remove(&session), "nobody leaves who is not there: {logged:#?}");
            }
            _ => {}
        }
    }

    pub fn inside(&self, room: &RoomName) -> Vec<ParticipantSid> {
        let of_room = self.0.iter().filter(|(other, _)| other == room);
        of_room.map(|(_, sid)| sid.clone()).collect()
    }
}
