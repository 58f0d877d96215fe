//! `GET /api/events`.

mod browser;
mod filters;
mod resume;

use serde_json::Value;

use crate::harness::{Subscriber, TestApp, eventually, finished, joined, left, published, started};

/// The next message, which must be an event of LiveKit's.
async fn next_event(feed: &mut Subscriber) -> Value {
    let message = feed.next_message().await.expect("the feed goes on").json();
    assert_eq!(message["type"], "livekit", "{message}");
    message
}

/// The first message, which every feed begins with.
async fn is_connected(feed: &mut Subscriber) {
    is_told(feed, "connected").await;
}

async fn is_told(feed: &mut Subscriber, what: &str) {
    let message = feed.next_message().await.expect("the feed goes on");
    assert!(message.id.is_some(), "{message:?}");
    let message = message.json();
    assert_eq!((&message["type"], &message["event"]), (&"system".into(), &what.into()));
    assert!(message["timestamp"].as_u64().unwrap() > 1_700_000_000_000, "milliseconds");
}

/// What an event is about: its name, and the identity or else the room.
fn subject(message: &Value) -> String {
    let name = message["event"].as_str().unwrap();
    let identity = message["data"]["participant"]["identity"].as_str();
    format!("{name} {}", identity.or(message["room"].as_str()).unwrap_or_default())
}

/// The subjects of the next events.
async fn subjects(feed: &mut Subscriber, count: usize) -> Vec<String> {
    let mut subjects = Vec::new();
    for _ in 0..count {
        subjects.push(subject(&next_event(feed).await));
    }
    subjects
}

#[tokio::test]
async fn a_feed_begins_with_connected_and_tells_each_event_by_its_message() {
    let app = TestApp::start().await;
    app.webhook(joined("before")).await;
    let mut feed = app.feed("").await;
    let first = feed.next_message().await.unwrap();
    let connected = first.json();
    assert_eq!((&connected["type"], &connected["event"]), (&"system".into(), &"connected".into()));
    assert!(first.id.is_some());
    let join = joined("alice");
    app.webhook(join.clone()).await;
    let message = feed.next_message().await.unwrap();
    assert_eq!(message.name, "", "onmessage gets only messages without a name");
    let event = message.json();
    assert_eq!(event["type"], "livekit");
    assert_eq!(event["event"], "participant_joined");
    assert_eq!(event["id"], join.0["id"]);
    assert_eq!(event["room"], "general");
    assert_eq!(event["data"]["room"]["name"], "general");
    assert_eq!(event["data"]["participant"]["identity"], "alice");
    assert_eq!(event["source"], "webhook");
    assert!(event["timestamp"].as_i64().unwrap() > 1_700_000_000_000, "milliseconds");
    assert!(!message.data.contains("never-shown"), "{}", message.data);
    assert!(message.id > first.id);
}

#[tokio::test]
async fn the_head_is_that_of_every_stream() {
    let app = TestApp::start().await;
    let feed = app.feed("").await;
    for (name, value) in [
        ("content-type", "text/event-stream; charset=utf-8"),
        ("cache-control", "no-store, no-transform"),
        ("x-accel-buffering", "no"),
        ("connection", "close"),
    ] {
        assert_eq!(feed.head.get(name), Some(value));
    }
    let bearer = format!("Bearer {}", app.list_token());
    let head = app.ask("HEAD", "/api/events", &[("Authorization", &bearer)]).await;
    assert_eq!(head.header("content-type"), "text/event-stream; charset=utf-8");
}

#[tokio::test]
async fn events_of_a_room_come_in_their_order_on_every_feed() {
    let app = TestApp::start().await;
    let (mut one, mut other) = (app.feed("").await, app.feed("?room=general").await);
    is_connected(&mut one).await;
    is_connected(&mut other).await;
    app.webhooks([
        started(),
        joined("alice"),
        published("alice", "TR_1"),
        joined("bob"),
        left("alice"),
        finished(),
    ])
    .await;
    let expected = [
        "room_started general",
        "participant_joined alice",
        "track_published alice",
        "participant_joined bob",
        "participant_left alice",
        "participant_left bob",
        "room_finished general",
    ];
    assert_eq!(subjects(&mut one, expected.len()).await, expected);
    assert_eq!(subjects(&mut other, expected.len()).await, expected);
}

#[tokio::test]
async fn a_webhook_that_comes_again_is_told_once() {
    let app = TestApp::start().await;
    let mut feed = app.feed("").await;
    is_connected(&mut feed).await;
    let alice = joined("alice");
    app.webhooks([alice.clone(), alice.clone(), alice, joined("bob")]).await;
    let expected = ["participant_joined alice", "participant_joined bob"];
    assert_eq!(subjects(&mut feed, 2).await, expected);
}

#[tokio::test]
async fn text_with_line_breaks_of_unicode_stays_one_line() {
    let app = TestApp::start().await;
    let mut feed = app.feed("").await;
    is_connected(&mut feed).await;
    let metadata = "one\u{2028}two\u{2029}three\u{85}four\nfive";
    app.webhook(joined("alice").metadata(metadata)).await;
    let message = feed.next_message().await.unwrap();
    assert!(!message.data.contains(['\u{2028}', '\u{2029}', '\u{85}']), "{}", message.data);
    assert_eq!(message.json()["data"]["participant"]["metadata"], metadata);
}

/// A heartbeat tells where the feed is in the log, so that a subscriber whose filter lets little pass resumes from there.
#[tokio::test]
async fn heartbeats_are_no_events_and_tell_the_place_in_the_log() {
    let app = TestApp::with(&[("LKP__STREAM__HEARTBEAT", "300ms")]).await;
    let mut all = app.feed("").await;
    let mut quiet = app.feed("?room=quiet").await;
    is_connected(&mut quiet).await;
    let connected_at = quiet.last_id.clone().unwrap();
    app.webhook(joined("alice")).await;
    is_connected(&mut all).await;
    next_event(&mut all).await;
    while quiet.last_id.as_ref() == Some(&connected_at) {
        let block = quiet.next_block().await.unwrap();
        assert_eq!((block.name.as_str(), block.data.as_str()), ("", ""), "{block:?}");
        assert_eq!(block.comment.as_deref(), Some("heartbeat"));
    }
    assert_eq!(quiet.last_id, all.last_id);
    assert_eq!(app.metric("heartbeat_repairs_total").await, 0.0);
}

#[tokio::test]
async fn a_feed_is_counted_limited_and_drained_as_every_stream() {
    let mut app = TestApp::with(&[
        ("LKP__LIMITS__STREAMS_PER_ADDRESS", "1"),
        ("LKP__SHUTDOWN__DRAIN", "100ms"),
    ])
    .await;
    let mut feed = app.feed("").await;
    is_connected(&mut feed).await;
    assert_eq!(app.metric("streams_open").await, 1.0);
    let refused = app.get_as_operator("/api/events").await;
    assert!(refused.problem(429).contains("limits.streams_per_address"));
    app.tell_to_end();
    assert_eq!(feed.end().await, "drain");
    drop(feed);
    app.ended().await;
}

#[tokio::test]
async fn a_feed_without_a_subscriber_follows_nothing() {
    let app = TestApp::start().await;
    app.webhook(joined("alice")).await;
    assert_eq!(app.metric("feed_followed").await, 0.0);
    let mut feed = app.feed("").await;
    is_connected(&mut feed).await;
    assert_eq!(app.metric("feed_followed").await, 1.0);
    app.webhook(joined("bob")).await;
    eventually("it to be followed", async || app.metric("feed_events_total").await == 1.0).await;
    drop(feed);
    eventually("it to be given up", async || app.metric("feed_followed").await == 0.0).await;
    app.webhook(joined("carol")).await;
    assert_eq!(app.metric("feed_events_total").await, 1.0);
}
