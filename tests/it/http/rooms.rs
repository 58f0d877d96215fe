//! `GET /api/livekit/rooms`.

use serde_json::json;

use crate::harness::{TestApp, finished, joined, left, started};

#[tokio::test]
async fn rooms_are_listed_by_name_with_the_people_that_readers_see() {
    let app = TestApp::start().await;
    app.webhooks([
        started().room("music"),
        joined("alice").room("music"),
        joined("bob").room("music"),
        joined("spy").room("music").hidden(),
        joined("carol").room("general"),
        started().room("lobby"),
        joined("hidden").room("only-hidden").hidden(),
    ])
    .await;
    let expected = json!([
        {"name": "general", "numParticipants": 1, "exact": false},
        {"name": "lobby", "numParticipants": 0, "exact": true},
        {"name": "music", "numParticipants": 2, "exact": true},
    ]);
    assert_eq!(app.rooms().await, expected);
    assert_eq!(app.get_as_operator("/api/rooms").await.json(), expected);
}

#[tokio::test]
async fn a_room_leaves_the_list_when_it_is_finished() {
    let app = TestApp::start().await;
    app.webhooks([started(), joined("alice"), left("alice")]).await;
    assert_eq!(app.rooms().await[0]["numParticipants"], 0);
    app.webhook(finished()).await;
    assert_eq!(app.rooms().await, json!([]));
}

#[tokio::test]
async fn the_list_of_rooms_can_be_asked_for_conditionally() {
    let app = TestApp::start().await;
    app.webhook(started()).await;
    let bearer = format!("Bearer {}", app.list_token());
    let first = app.get("/api/livekit/rooms", &[("Authorization", &bearer)]).await;
    assert_eq!(first.header("cache-control"), "no-cache");
    let headers = [("Authorization", bearer.as_str()), ("If-None-Match", first.header("etag"))];
    assert_eq!(app.get("/api/livekit/rooms", &headers).await.status, 304);
    app.webhook(joined("alice")).await;
    assert_eq!(app.get("/api/livekit/rooms", &headers).await.status, 200);
}
