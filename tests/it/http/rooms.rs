//! `GET /api/livekit/rooms`.

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{TestApp, eventually, finished, joined, left, published, started};

#[tokio::test]
async fn rooms_are_listed_by_name_with_the_people_that_clients_see() {
    let app = TestApp::start().await;
    app.webhooks([
        started().room("music"),
        joined("alice").room("music"),
        joined("bob").room("music"),
        joined("spy").room("music").hidden(),
        joined("carol").room("general"),
        started().room("lobby"),
        joined("hidden").room("only-hidden").hidden(),
        joined("helper").room("music").kind("AGENT"),
        published("alice", "TR_1").room("music"),
        published("helper", "TR_2").room("music"),
        joined("dave").room("since").room_created_at_ms(1_795_000_000_123),
    ])
    .await;
    let started = 1_795_391_850_000_u64;
    let room =
        |name, [people, agents, publishers]: [u32; 3], exact: bool, started_at: Option<u64>| {
            let mut room = json!({
                "name": name, "numParticipants": people + agents, "exact": exact, "people": people,
                "agents": agents, "publishers": publishers, "startedAt": started_at,
            });
            if exact {
                room["recording"] = false.into();
            }
            room
        };
    let expected = json!([
        room("general", [1, 0, 0], false, None),
        room("lobby", [0, 0, 0], true, Some(started)),
        room("music", [2, 1, 1], true, Some(started)),
        room("since", [1, 0, 0], false, Some(1_795_000_000_123)),
    ]);
    assert_eq!(app.rooms().await, expected);
    assert_eq!(app.get_as_operator("/api/rooms").await.json(), expected);
}

#[tokio::test]
async fn a_room_is_recording_while_an_egress_is_inside() {
    let app = TestApp::start().await;
    app.webhooks([started(), joined("alice"), joined("egress").kind("EGRESS")]).await;
    let room = app.rooms().await[0].clone();
    assert_eq!((&room["recording"], &room["numParticipants"]), (&true.into(), &1.into()));
    app.webhook(left("egress")).await;
    eventually("the recording to end", async || app.rooms().await[0]["recording"] == false).await;
}

#[tokio::test]
async fn a_room_leaves_the_list_when_it_is_finished() {
    let app = TestApp::start().await;
    app.webhooks([started(), joined("alice"), left("alice")]).await;
    assert_eq!(app.rooms().await[0]["numParticipants"], 0);
    app.webhook(finished()).await;
    // One list serves everybody who asks within a second.
    eventually("it to be gone", async || app.rooms().await == json!([])).await;
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
    let ask = async || app.get("/api/livekit/rooms", &headers).await.status;
    eventually("another list", async || ask().await == 200).await;
}

#[tokio::test]
async fn however_many_ask_the_list_is_made_once_a_second() {
    let app =
        TestApp::with(&[("LKP__AUTH__MODE", "open"), ("LKP__LIMITS__READS_PER_ADDRESS", "0")])
            .await;
    app.webhooks([started(), joined("alice")]).await;
    let asked_at = std::time::Instant::now();
    let first = app.get("/api/livekit/rooms", &[]).await;
    let known = [("If-None-Match", first.header("etag"))];
    join_all((0..100).map(async |_| {
        assert_eq!(app.get("/api/livekit/rooms", &[]).await.text(), first.text());
        assert_eq!(app.get("/api/livekit/rooms", &known).await.status, 304);
    }))
    .await;
    let made = app.metric("store_calls_total{kind=\"rooms\",outcome=\"ok\"}").await;
    let secs = asked_at.elapsed().as_secs_f64();
    assert!((1.0..=secs + 1.0).contains(&made), "made {made} times within {secs} s");
}
