//! The contract of the log of events, as far as it is about what an event says.

use std::sync::Arc;

use livekit_presence::{
    presence::{EventDetails, EventKind, RoomDetails, SessionInfo},
    store::{EventSource, FeedEvent, Store},
};
use serde_json::json;

use super::{
    events::{MAX_EVENTS, data, next, nothing_more, sid},
    webhooks::{
        aborted, finished, in_opening, joined, joined_as, left, published_as, room, session,
    },
};

type Shared = Arc<dyn Store>;

pub async fn hidden_sessions_are_never_told_of(store: Shared) {
    let general = room("general");
    let mut feed = store.follow_events().await.unwrap();
    let mut event = joined(&general, "ghost", 1);
    let EventKind::Joined(info) = &mut event.kind else { unreachable!() };
    *info = SessionInfo { hidden: true, ..info.clone() };
    store.apply(&event).await.unwrap();
    store.apply(&published_as(&general, "ghost", "TR_1")).await.unwrap();
    store.apply(&published_as(&general, "unknown", "TR_2")).await.unwrap();
    store.apply(&aborted(&general, "nameless", None)).await.unwrap();
    store.apply(&left(&general, "ghost")).await.unwrap();
    nothing_more(&store, &mut feed).await;
}

pub async fn a_hidden_session_that_replaces_a_visible_one_is_not_hinted_at(store: Shared) {
    let general = room("general");
    let mut feed = store.follow_events().await.unwrap();
    store.apply(&joined(&general, "alice", 1)).await.unwrap();
    let mut event = joined_as(&general, "alice", "PA_alice_2", 2);
    let EventKind::Joined(info) = &mut event.kind else { unreachable!() };
    *info = SessionInfo { hidden: true, ..info.clone() };
    store.apply(&event).await.unwrap();
    let logged = next(&mut feed, 2).await;
    assert_eq!(
        (logged[1].event.name.as_str(), sid(&logged[1])),
        ("participant_left", "PA_alice".into())
    );
    assert_eq!(logged[1].event.source, Some(EventSource::Comparison));
}

pub async fn large_metadata_of_a_room_goes_only_with_its_own_event(store: Shared) {
    let general = room("general");
    let mut feed = store.follow_events().await.unwrap();
    for number in 0..50 {
        let join = joined(&general, &format!("user-{number}"), 1);
        store.apply(&in_opening(join, "RM_1")).await.unwrap();
    }
    next(&mut feed, 50).await;
    let mut finished = in_opening(finished(&general), "RM_1");
    let mut said = RoomDetails::named(general, finished.room_sid.clone());
    said.metadata = Some("x".repeat(512 * 1024));
    finished.details = Arc::new(EventDetails { room: Some(said), ..EventDetails::default() });
    store.apply(&finished).await.unwrap();
    let logged = next(&mut feed, 51).await;
    assert_eq!(logged[0].event.name, "participant_left");
    assert_eq!(data(&logged[0])["room"], json!({"name":"general","sid":"RM_1"}));
    assert!(logged[50].event.data.get().len() > 512 * 1024, "{}", logged[50].event.name);
}

pub async fn large_events_make_room_for_newer_ones(store: Shared) {
    let mut feed = store.follow_events().await.unwrap();
    let start = feed.position();
    let long = "x".repeat(1024 * 1024);
    let mut logged = Vec::new();
    for number in 0..80 {
        let (id, name) = (format!("EV_{number}"), "moon_landed".to_owned());
        let event = FeedEvent::new(id, name, None, &json!({"metadata":long}), 0);
        store.log_event(event).await.unwrap();
        logged.push(next(&mut feed, 1).await[0].id);
    }
    assert!(store.events_after(start, MAX_EVENTS).await.unwrap().is_gap);
    assert!(store.events_after(logged[10], MAX_EVENTS).await.unwrap().is_gap);
    let mut position = logged[30];
    let mut rest = logged[31..].iter();
    loop {
        let resumed = store.events_after(position, MAX_EVENTS).await.unwrap();
        assert!(!resumed.is_gap);
        for one in &resumed.events {
            assert_eq!(Some(&one.id), rest.next());
            position = one.id;
        }
        if resumed.is_last {
            break;
        }
    }
    assert_eq!(rest.next(), None);
}

pub async fn track_events_have_the_participant_and_the_track(store: Shared) {
    let general = room("general");
    let mut feed = store.follow_events().await.unwrap();
    store.apply(&joined(&general, "alice", 1)).await.unwrap();
    let published = published_as(&general, "alice", "TR_1");
    store.apply(&published).await.unwrap();
    store.apply(&published).await.unwrap();
    let logged = next(&mut feed, 2).await;
    assert_eq!(logged[1].event.name, "track_published");
    let data = data(&logged[1]);
    assert_eq!(data["track"]["sid"], "TR_1");
    assert_eq!(data["participant"]["identity"], "alice");
    assert_eq!(data["participant"]["isPublisher"], true);
    nothing_more(&store, &mut feed).await;
}

pub async fn an_aborted_connection_passes_with_its_participant(store: Shared) {
    let general = room("general");
    let mut feed = store.follow_events().await.unwrap();
    let participant = session("alice", 1).as_participant();
    store.apply(&aborted(&general, "alice", Some(participant))).await.unwrap();
    let logged = next(&mut feed, 1).await;
    assert_eq!(logged[0].event.name, "participant_connection_aborted");
    assert_eq!(data(&logged[0])["participant"]["disconnectReason"], "JOIN_FAILURE");
}
