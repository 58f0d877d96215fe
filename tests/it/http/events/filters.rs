//! Who may follow what, and which events a filter lets pass.

use crate::harness::{StoreFault, TestApp, finished, joined, left, published, started};

use super::{is_connected, subjects};

/// Parameters of a feed, and what passes of the story below.
const CASES: [(&str, &[&str]); 6] = [
    ("?event=room_started", &["room_started team-a", "room_started team-b"]),
    (
        "?event=participant_joined&event=room_finished",
        &[
            "participant_joined alice",
            "participant_joined bob",
            "participant_joined carol",
            "room_finished team-a",
        ],
    ),
    ("?room=lobby", &["participant_joined carol", "track_published carol"]),
    (
        "?room=lobby&room=team-b",
        &[
            "room_started team-b",
            "participant_joined bob",
            "participant_joined carol",
            "track_published carol",
        ],
    ),
    (
        "?prefix=team-&event=participant_joined",
        &["participant_joined alice", "participant_joined bob"],
    ),
    (
        "?prefix=team-a&nothing=known",
        &[
            "room_started team-a",
            "participant_joined alice",
            "participant_left alice",
            "room_finished team-a",
        ],
    ),
];

#[tokio::test]
async fn filters_let_pass_names_rooms_and_beginnings_of_rooms_names() {
    let app = TestApp::start().await;
    let mut feeds = Vec::new();
    for (parameters, expected) in CASES {
        let mut feed = app.feed(parameters).await;
        is_connected(&mut feed).await;
        feeds.push((feed, parameters, expected));
    }
    assert_eq!(app.metric("feed_filters").await, 6.0);
    app.webhooks([
        started().room("team-a"),
        started().room("team-b"),
        joined("alice").room("team-a"),
        joined("bob").room("team-b"),
        joined("carol").room("lobby"),
        published("carol", "TR_1").room("lobby"),
        left("alice").room("team-a"),
        finished().room("team-a"),
    ])
    .await;
    for (feed, parameters, expected) in &mut feeds {
        assert_eq!(subjects(feed, expected.len()).await, *expected, "{parameters}");
    }
}

#[tokio::test]
async fn a_token_that_lists_rooms_follows_all_and_a_rooms_token_only_its_room() {
    let app = TestApp::start().await;
    let of_room = format!("Bearer {}", app.token("general", 60));
    let auth = [("Authorization", of_room.as_str())];
    let mut feed = app.open_stream("/api/events?room=general", &auth).await;
    is_connected(&mut feed).await;
    let refused = app.get("/api/events", &auth).await;
    assert!(refused.problem(403).contains("add `?room=`"));
    app.get("/api/events?prefix=general", &auth).await.problem(403);
    app.get("/api/events?room=general&room=other", &auth).await.problem(403);
    app.get("/api/events", &[]).await.problem(401);
    let mut all = app.feed("?room=other").await;
    is_connected(&mut all).await;
    app.webhooks([joined("alice").room("other"), joined("bob")]).await;
    assert_eq!(subjects(&mut feed, 1).await, ["participant_joined bob"]);
    assert_eq!(subjects(&mut all, 1).await, ["participant_joined alice"]);
}

#[tokio::test]
async fn parameters_that_cannot_be_meant_are_refused_with_what_to_do() {
    let app = TestApp::start().await;
    let refusal = async |parameters: &str| {
        app.get_as_operator(&format!("/api/events{parameters}")).await.problem(400)
    };
    assert!(refusal("?event=").await.contains("participant_joined"));
    assert!(refusal(&format!("?event={}", "x".repeat(65))).await.contains("at most 64 bytes"));
    assert!(refusal("?prefix=a&prefix=b").await.contains("give `prefix` once"));
    assert!(refusal("?prefix=%FF").await.contains("UTF-8"));
    assert!(refusal("?room=").await.contains("room"));
    let rooms: Vec<_> = (0..101).map(|number| format!("room={number}")).collect();
    assert!(refusal(&format!("?{}", rooms.join("&"))).await.contains("at most 100 rooms"));
    let names: Vec<_> = (0..101).map(|number| format!("event=e{number}")).collect();
    assert!(refusal(&format!("?{}", names.join("&"))).await.contains("at most 100 names"));
}

#[tokio::test]
async fn a_feed_that_the_store_cannot_serve_is_refused_and_opens_later() {
    let app = TestApp::start().await;
    app.store.set_fault(StoreFault::Fails);
    let refused = app.get_as_operator("/api/events").await;
    refused.problem(503);
    assert!(refused.head.get("retry-after").is_some());
    app.store.set_fault(StoreFault::None);
    let mut feed = app.feed("").await;
    is_connected(&mut feed).await;
    // What is followed is in memory: a store that fails meanwhile ends no feed.
    app.store.set_fault(StoreFault::Fails);
    let mut other = app.feed("?room=general").await;
    is_connected(&mut other).await;
}

#[tokio::test]
async fn streams_that_are_turned_off_are_answered_with_204() {
    let app = TestApp::with(&[("LKP__STREAM__ENABLED", "false")]).await;
    assert_eq!(app.get_as_operator("/api/events").await.status, 204);
    let app = TestApp::start().await;
    assert_eq!(app.get_as_operator("/api/events?last_event_id=replaced").await.status, 204);
}
