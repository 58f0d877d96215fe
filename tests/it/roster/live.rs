//! What everybody who watches a roster is sent: first the whole, then changes, whatever tells of them.

use serde_json::{Value, json};

use crate::{
    harness::{
        PROCESS_KEYS, ScriptedLiveKit, TestApp, TestDatabase, WebSocket, eventually, joined, left,
        now, patiently, started, within_deadline,
    },
    roster::{everybody, next_roster, watch},
};

use super::{ROSTER, Stage, counts, expected, statuses};

async fn next_of_socket(socket: &mut WebSocket) -> Value {
    let next = async {
        loop {
            let message = socket.next().await;
            if message["event"] == "roster:update" {
                return message["data"].clone();
            }
        }
    };
    within_deadline("the roster", next).await
}

#[tokio::test]
async fn who_is_invited_comes_and_leaves_is_pushed_as_it_happens() {
    let stage = Stage::new().await;
    stage.ok("PUT", &format!("{ROSTER}/alice"), Some(json!({"role": "host"}))).await;
    let mut stream = stage.watch().await;
    let target = "/api/livekit/rooms/ws?room=stage&roster=true";
    let mut socket = stage.app.web_socket(target).await;
    let whole = next_roster(&mut stream).await;
    assert_eq!((&whole["room"], counts(&whole)), (&json!("stage"), [&json!(0), &json!(1)]));
    assert_eq!(statuses(&whole["entries"]), expected(&[("alice", "INVITED")]));
    assert_eq!(whole.get("prev"), None);
    assert_eq!(next_of_socket(&mut socket).await, whole);

    let mut version = whole["version"].clone();
    let mut change = async || {
        let change = next_roster(&mut stream).await;
        assert_eq!(next_of_socket(&mut socket).await, change, "both are sent the same");
        assert_eq!(change["prev"], version, "each change builds on the one before");
        version = change["version"].clone();
        change
    };
    stage.app.webhooks([started(), joined("alice")].map(|one| now(one.room("stage")))).await;
    let came = change().await;
    assert_eq!(statuses(&came["changed"]), expected(&[("alice", "JOINED")]));
    assert_eq!((counts(&came), &came["removed"]), ([&json!(1), &json!(1)], &json!([])));
    assert_eq!(came["changed"][0]["role"], "host");

    stage.app.webhook(now(joined("bob").room("stage"))).await;
    let came = change().await;
    assert_eq!(statuses(&came["changed"]), expected(&[("bob", "JOINED")]));
    assert_eq!(counts(&came), [&json!(2), &json!(2)]);

    stage.ok("PATCH", &format!("{ROSTER}/bob"), Some(json!({"role": "speaker"}))).await;
    let promoted = change().await;
    let bob = &promoted["changed"][0];
    assert_eq!([&bob["role"], &bob["invited"]], [&json!("speaker"), &json!(false)]);

    stage.app.webhook(now(left("alice").room("stage"))).await;
    let gone = change().await;
    assert_eq!(statuses(&gone["changed"]), expected(&[("alice", "LEFT")]));
    assert_eq!(counts(&gone), [&json!(1), &json!(2)]);
    assert!(gone["changed"][0]["leftAt"].is_string());
}

#[tokio::test]
async fn what_a_moderator_takes_out_is_removed_and_who_is_inside_stays() {
    let stage = Stage::new().await;
    stage.app.webhooks([started().room("stage"), joined("bob").room("stage")]).await;
    stage.ok("PUT", ROSTER, Some(everybody(["alice", "bob"].map(String::from)))).await;
    let mut stream = stage.watch().await;
    assert_eq!(counts(&next_roster(&mut stream).await), [&json!(1), &json!(2)]);
    stage.ok("DELETE", ROSTER, None).await;
    let change = next_roster(&mut stream).await;
    assert_eq!(change["removed"], json!(["alice"]));
    let bob = &change["changed"][0];
    assert_eq!([&bob["identity"], &bob["invited"]], [&json!("bob"), &json!(false)]);
}

#[tokio::test]
async fn a_socket_adds_and_drops_rooms_with_their_rosters() {
    let stage = Stage::new().await;
    let mut socket = stage.app.web_socket("/api/livekit/rooms/ws?roster=true").await;
    socket.send(r#"{"watch":["stage","other"]}"#).await;
    let first = next_of_socket(&mut socket).await;
    let second = next_of_socket(&mut socket).await;
    let mut rooms = [&first["room"], &second["room"]].map(|room| room.as_str().unwrap());
    rooms.sort_unstable();
    assert_eq!(rooms, ["other", "stage"]);
    socket.send(r#"{"unwatch":["other"]}"#).await;
    while socket.next().await["event"] != "watching" {}
    stage.app.webhook(joined("bob").room("other")).await;
    stage.ok("PUT", &format!("{ROSTER}/alice"), Some(json!({}))).await;
    let change = socket.next().await;
    assert_eq!(
        [&change["event"], &change["data"]["room"]],
        [&json!("roster:update"), &json!("stage")]
    );
}

#[tokio::test]
async fn what_a_comparison_finds_is_in_the_roster() {
    let livekit = ScriptedLiveKit::start(PROCESS_KEYS).await;
    let (kind, url) = (TestDatabase::sqlite(), livekit.url());
    let settings = [
        ("HISTORY_URL", &*kind.url()),
        ("LIVEKIT_URL", &*url),
        ("LKP__RECONCILE__EVERY", "200ms"),
        ("LKP__RECONCILE__GRACE", "1s"),
    ];
    let app = TestApp::with_keys(&settings, PROCESS_KEYS).await;
    let mut stream = watch(&app).await;
    assert_eq!(counts(&next_roster(&mut stream).await), [&json!(0), &json!(0)]);
    livekit.list("stage", &[now(joined("alice").room("stage"))]);
    let came = next_roster(&mut stream).await;
    assert_eq!(statuses(&came["changed"]), expected(&[("alice", "JOINED")]));
    livekit.list("stage", &[]);
    let gone = next_roster(&mut stream).await;
    assert_eq!(statuses(&gone["changed"]), expected(&[("alice", "LEFT")]));
}

#[tokio::test]
async fn the_feed_of_events_tells_what_moderators_wrote() {
    let stage = Stage::new().await;
    let mut feed = stage.app.feed("?event=roster_updated&room=stage").await;
    assert_eq!(feed.next_message().await.unwrap().json()["event"], "connected");
    let entry = stage.ok("PUT", &format!("{ROSTER}/alice"), Some(json!({}))).await;
    let event = feed.next_message().await.unwrap().json();
    assert_eq!([&event["event"], &event["room"]], [&json!("roster_updated"), &json!("stage")]);
    assert_eq!(event["data"], json!({"room": {"name": "stage"}, "entry": entry}));
    stage.ok("DELETE", &format!("{ROSTER}/alice"), None).await;
    let event = feed.next_message().await.unwrap().json();
    assert_eq!(event["data"], json!({"room": {"name": "stage"}, "removed": "alice"}));
    let many = everybody((0..101).map(|nth| format!("person-{nth}")));
    stage.ok("PUT", ROSTER, Some(many)).await;
    let event = feed.next_message().await.unwrap().json();
    assert_eq!(event["data"], json!({"room": {"name": "stage"}}), "one event for so many");
}

#[tokio::test]
async fn while_the_database_is_away_a_roster_stays_as_it_was_and_follows_the_list() {
    let stage = Stage::with(TestDatabase::postgres().await, &[]).await;
    let Stage { app, kind } = stage;
    let TestDatabase::Postgres(mut server) = kind else { panic!("it is one") };
    super::ask(&app, "PUT", &format!("{ROSTER}/alice"), Some(json!({})), &[]).await;
    let mut stream = watch(&app).await;
    assert_eq!(counts(&next_roster(&mut stream).await), [&json!(0), &json!(1)]);
    server.kill().await;
    let read = super::ask(&app, "GET", ROSTER, None, &[]).await;
    assert!(read.problem(503).contains("database"));
    let put = super::ask(&app, "PUT", &format!("{ROSTER}/bob"), Some(json!({})), &[]).await;
    put.problem(503);
    let target = "/api/livekit/rooms/stream?room=other&roster=true";
    assert!(app.get_as_operator(target).await.problem(503).contains("database"));
    // The history's outbox is in memory, and LiveKit is told to come again; but what the store has taken is shown.
    app.post(&now(joined("alice").room("stage"))).await;
    let came = next_roster(&mut stream).await;
    assert_eq!(statuses(&came["changed"]), expected(&[("alice", "JOINED")]));
    server.start_again().await;
    patiently("the roster to be written again", async || {
        let put = super::ask(&app, "PUT", &format!("{ROSTER}/bob"), Some(json!({})), &[]).await;
        put.status == 201 || put.status == 200
    })
    .await;
    let mut known = Vec::new();
    while !known.contains(&("bob".to_owned(), "INVITED".to_owned())) {
        known.extend(statuses(&next_roster(&mut stream).await["changed"]));
    }
}

#[tokio::test]
async fn a_roster_that_nobody_watches_costs_nothing() {
    let stage = Stage::new().await;
    let stream = stage.watch().await;
    drop(stream);
    let gone = async || {
        stage.app.metric("hot_rooms{state=\"confirmed\"}").await
            + stage.app.metric("hot_rooms{state=\"stale\"}").await
            == 0.0
    };
    eventually("the room to be cold", gone).await;
}
