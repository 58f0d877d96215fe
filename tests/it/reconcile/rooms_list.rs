//! The list of rooms, with the rooms that only LiveKit knows.

use serde_json::json;

use crate::harness::{ShownRooms, eventually, joined, left, started};

use super::with_api;

#[tokio::test]
async fn rooms_that_only_livekit_knows_are_listed_and_compared() {
    let (app, livekit) = with_api(&[]).await;
    app.webhooks([started(), joined("alice")]).await;
    livekit.list("general", &[joined("alice")]);
    livekit.list("music", &[joined("bob"), joined("carol")]);
    livekit.list("created-empty", &[]);
    let rooms = app.rooms_in_short().await;
    assert_eq!(
        rooms,
        json!([
            {"name": "created-empty", "numParticipants": 0, "exact": false},
            {"name": "general", "numParticipants": 1, "exact": true},
            {"name": "music", "numParticipants": 0, "exact": false},
        ])
    );
    let right = json!([
        {"name": "created-empty", "numParticipants": 0, "exact": true},
        {"name": "general", "numParticipants": 1, "exact": true},
        {"name": "music", "numParticipants": 2, "exact": true},
    ]);
    eventually("all to be exact", async || app.rooms_in_short().await == right).await;
    assert_eq!(livekit.calls("ListRooms", None), 1, "one call serves everybody for a while");
    assert_eq!(livekit.calls("ListParticipants", Some("general")), 0, "it was complete");
}

#[tokio::test]
async fn a_room_that_livekit_does_not_have_is_compared_too() {
    let (app, livekit) = with_api(&[("LKP__RECONCILE__GRACE", "0ms")]).await;
    app.webhooks([started(), joined("alice")]).await;
    livekit.close("general");
    app.rooms().await;
    eventually("the room to be gone", async || app.rooms().await == json!([])).await;
}

#[tokio::test]
async fn a_room_whose_end_was_missed_is_listed_no_longer() {
    let (app, _livekit) = with_api(&[]).await;
    app.webhooks([started(), joined("alice"), left("alice")]).await;
    eventually("the room to be gone", async || app.rooms().await == json!([])).await;
}

#[tokio::test]
async fn a_stream_of_all_rooms_has_rooms_that_only_livekit_knows_and_compares_none() {
    let (app, livekit) = with_api(&[]).await;
    // Complete, partial, and known to LiveKit alone.
    app.webhooks([started(), joined("alice"), joined("bob").room("lobby")]).await;
    livekit.list("general", &[joined("alice")]);
    livekit.list("lobby", &[joined("bob")]);
    livekit.list("music", &[joined("carol")]);
    let bearer = format!("Bearer {}", app.list_token());
    let target = "/api/livekit/rooms/stream?all=true";
    let mut subscriber = app.open_stream(target, &[("Authorization", &bearer)]).await;
    let mut shown = ShownRooms::default();
    shown.until(&mut subscriber, &[("general", 1), ("lobby", 1), ("music", 0)]).await;
    app.webhook(joined("dave").room("music")).await;
    shown.until(&mut subscriber, &[("general", 1), ("lobby", 1), ("music", 1)]).await;
    for room in ["general", "lobby", "music"] {
        assert_eq!(livekit.calls("ListParticipants", Some(room)), 0, "{room} was compared");
    }
}
