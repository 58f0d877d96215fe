//! The metadata of rooms, as LiveKit's own Redis and its API tell it.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{
    LiveKitsRedis, RedisServer, ScriptedLiveKit, Subscriber, TestApp, eventually, joined, left,
    started,
};

use super::{KEYS, beside, with_api};

/// The service beside a scripted LiveKit and its Redis, with alice in `general`.
async fn with_redis(
    store: Option<&RedisServer>,
    livekit: &ScriptedLiveKit,
    redis: &LiveKitsRedis,
) -> TestApp {
    let (url, redis_url) = (livekit.url(), redis.url());
    let settings = [
        ("LIVEKIT_URL", url.as_str()),
        ("LIVEKIT_REDIS_URL", redis_url.as_str()),
        ("LKP__RECONCILE__EVERY", "1h"),
    ];
    let app = TestApp::on(store, &settings, KEYS).await;
    eventually("LiveKit's Redis to be followed", async || {
        app.metric("livekit_redis_up").await == 1.0
    })
    .await;
    app
}

async fn metadata(app: &TestApp) -> Value {
    app.get_as_operator("/api/livekit/rooms/general").await.json()["metadata"].clone()
}

async fn until(app: &TestApp, expected: &str) -> Duration {
    let began = Instant::now();
    eventually("the metadata", async || metadata(app).await == expected).await;
    began.elapsed()
}

async fn next_metadata(feed: &mut Subscriber) -> (Value, Value) {
    let event = feed.next_message().await.unwrap().json();
    (event["data"]["room"]["metadata"].clone(), event["source"].clone())
}

#[tokio::test]
async fn the_metadata_of_a_watched_room_is_shown_at_once_and_told_once_and_costs_no_call() {
    let (livekit, mut redis) = (ScriptedLiveKit::start(KEYS).await, LiveKitsRedis::start().await);
    let store = RedisServer::start().await;
    let app = with_redis(Some(&store), &livekit, &redis).await;
    let other = with_redis(Some(&store), &livekit, &redis).await;
    let alice = joined("alice").room_metadata("old");
    redis.put("general", std::slice::from_ref(&alice)).await;
    redis.describe("general", "old").await;
    app.webhooks([started().room_metadata("old"), alice]).await;
    let mut feed = other.feed("?event=room_metadata_changed").await;
    assert_eq!(feed.next_message().await.unwrap().json()["event"], "connected");
    let mut subscribers = [app.subscriber("general").await, other.subscriber("general").await];
    for subscriber in &mut subscribers {
        assert_eq!(subscriber.next_list().await, ["alice"]);
    }
    let before = livekit.calls("ListParticipants", None) + livekit.calls("ListRooms", None);
    for number in 0..5 {
        let text = format!("text {number}");
        redis.describe("general", &text).await;
        let took = until(&app, &text).await;
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert_eq!(metadata(&other).await, text);
        assert_eq!(next_metadata(&mut feed).await, (text.into(), "comparison".into()));
    }
    let after = livekit.calls("ListParticipants", None) + livekit.calls("ListRooms", None);
    assert_eq!(after, before);
    // A webhook that LiveKit made before does not undo it.
    app.webhook(left("nobody").room_metadata("old").created_at_ms(1_795_391_840_000)).await;
    redis.describe("general", "last").await;
    assert_eq!(next_metadata(&mut feed).await, ("last".into(), "comparison".into()));
    assert_eq!(app.participants("general").await.json()[0]["identity"], "alice");
}

#[tokio::test]
async fn what_changed_while_livekits_redis_was_away_is_shown_once_it_is_back() {
    let (livekit, mut redis) = (ScriptedLiveKit::start(KEYS).await, LiveKitsRedis::start().await);
    let app = with_redis(None, &livekit, &redis).await;
    let alice = joined("alice").room_metadata("old");
    redis.put("general", std::slice::from_ref(&alice)).await;
    redis.describe("general", "old").await;
    app.webhooks([started().room_metadata("old"), alice.clone()]).await;
    let mut subscriber = app.subscriber("general").await;
    assert_eq!(subscriber.next_list().await, ["alice"]);
    redis.kill().await;
    eventually("it to be away", async || app.metric("livekit_redis_up").await == 0.0).await;
    redis.start_again().await;
    redis.put("general", &[alice]).await;
    redis.describe("general", "new").await;
    until(&app, "new").await;
}

#[tokio::test]
async fn the_metadata_of_a_room_that_nobody_watches_comes_with_its_comparison() {
    let (livekit, mut redis) = (ScriptedLiveKit::start(KEYS).await, LiveKitsRedis::start().await);
    let app = with_redis(None, &livekit, &redis).await;
    let alice = joined("alice").room_metadata("old");
    redis.put("general", std::slice::from_ref(&alice)).await;
    redis.describe("general", "new").await;
    app.webhook(alice).await;
    // It is partial, because its start was missed, so that a client that asks for it has it compared.
    assert_eq!(metadata(&app).await, "new");
}

#[tokio::test]
async fn where_only_livekits_api_is_there_metadata_comes_with_the_list_of_rooms() {
    let (app, livekit) = with_api(&[]).await;
    app.webhooks([started().room_metadata("old"), joined("alice").room_metadata("old")]).await;
    livekit.list("general", &[joined("alice")]);
    livekit.describe("general", "new");
    assert_eq!(metadata(&app).await, "old", "nobody has asked LiveKit");
    assert_eq!(livekit.calls("ListRooms", None), 0);
    app.rooms().await;
    until(&app, "new").await;
    assert_eq!(livekit.calls("ListRooms", None), 1);
}

#[tokio::test]
async fn a_list_of_rooms_that_says_nothing_of_metadata_leaves_it_as_it_is() {
    let livekit = ScriptedLiveKit::start(KEYS).await;
    let app = beside(&livekit, &[]).await;
    app.webhooks([started().room_metadata("old"), joined("alice").room_metadata("old")]).await;
    livekit.list("general", &[joined("alice")]);
    app.rooms().await;
    assert_eq!(livekit.calls("ListRooms", None), 1);
    assert_eq!(metadata(&app).await, "old");
}

#[tokio::test]
async fn a_room_that_only_livekit_lists_is_active() {
    let (app, livekit) = with_api(&[]).await;
    livekit.list("general", &[]);
    let room = app.get_as_operator("/api/livekit/rooms/general").await.json();
    assert_eq!((&room["active"], &room["version"]), (&true.into(), &0.into()));
}
