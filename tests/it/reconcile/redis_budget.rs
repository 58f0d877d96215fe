//! What is read of LiveKit's Redis is bounded, also what comparisons and clients have read.

use std::time::{Duration, Instant};

use crate::harness::{
    LiveKitsRedis, ScriptedLiveKit, TestApp, WebhookBody, eventually, identities, joined, started,
};

use super::KEYS;

const READ: &str = "livekit_redis_read_bytes_total";

/// The service beside a scripted LiveKit and its Redis, of which it reads this much in a second.
async fn with_rate(redis_url: &str, livekit: &ScriptedLiveKit, rate: &str, every: &str) -> TestApp {
    let url = livekit.url();
    let settings = [
        ("LIVEKIT_URL", url.as_str()),
        ("LIVEKIT_REDIS_URL", redis_url),
        ("LKP__LIVEKIT__REDIS_BYTES_PER_SECOND", rate),
        ("LKP__RECONCILE__EVERY", every),
    ];
    let app = TestApp::with_keys(&settings, KEYS).await;
    eventually("LiveKit's Redis to be followed", async || {
        app.metric("livekit_redis_up").await == 1.0
    })
    .await;
    app
}

/// What a hundred rooms have as metadata.
fn metadata() -> String {
    "x".repeat(64_000)
}

/// Has Alice's room read, so that LiveKit's Redis is trusted, and then a hundred rooms described there.
async fn describe_a_hundred_rooms(app: &TestApp, redis: &mut LiveKitsRedis) {
    let mut subscriber = app.subscriber("general").await;
    subscriber.until_list(&["alice"]).await;
    let read = "refreshes_total{outcome=\"same\"}";
    eventually("alice to be read", async || app.metric(read).await > 0.0).await;
    drop(subscriber);
    for number in 0..100 {
        redis.describe(&format!("room-{number}"), &metadata()).await;
    }
}

/// Alice and others, of whom each has ten kilobytes of metadata.
fn people(count: usize) -> Vec<WebhookBody> {
    let others = (1..count).map(|number| joined(&format!("person-{number}")));
    let all = std::iter::once(joined("alice")).chain(others);
    all.map(|one| one.metadata(&"x".repeat(10_000))).collect()
}

#[tokio::test]
async fn comparisons_are_charged_and_ask_livekits_api_when_the_budget_is_used_up() {
    let (livekit, mut redis) = (ScriptedLiveKit::start(KEYS).await, LiveKitsRedis::start().await);
    let app = with_rate(&redis.url(), &livekit, "65536", "50ms").await;
    let people = people(10);
    for number in 0..10 {
        livekit.keep_alive(&format!("person-{number}"));
    }
    livekit.keep_alive("alice");
    livekit.list("general", &people);
    redis.put("general", &people).await;
    app.webhook(started()).await;
    app.webhooks(people).await;
    let _subscriber = app.subscriber("general").await;
    eventually("a first reading", async || app.metric(READ).await > 0.0).await;
    let (began, before) = (Instant::now(), app.metric(READ).await);
    let confirmed = "comparisons_total{reason=\"watched\",outcome=\"confirmed\"}";
    let compared = app.metric(confirmed).await;
    eventually("comparisons", async || app.metric(confirmed).await > compared + 20.0).await;
    let bytes = app.metric(READ).await - before;
    let allowed = 65_536.0 * (began.elapsed().as_secs_f64() + 1.0) + 2.0 * 110_000.0;
    println!("{bytes} bytes in {:?}", began.elapsed());
    assert!(bytes <= allowed, "{bytes} bytes, {allowed} are allowed");
    assert!(livekit.calls("ListParticipants", None) > 0, "the others are from the API");
    assert_eq!(app.participants("general").await.json().as_array().unwrap().len(), 10);
}

/// A user who may not read names alone: each list of rooms brings six megabytes.
#[tokio::test]
async fn a_client_that_asks_for_all_rooms_in_a_loop_has_them_read_within_a_quarter_of_the_rate() {
    let (livekit, mut redis) = (ScriptedLiveKit::start(KEYS).await, LiveKitsRedis::start().await);
    let acl = "ACL SETUSER reader reset on >secret +hello +client|tracking +client|id +hgetall +hget +get +ping ~room_participants:* ~rooms ~livekit_version";
    redis.server.ask(&acl.split(' ').collect::<Vec<_>>()).await;
    let url = format!("redis://reader:secret@127.0.0.1:{}", redis.server.port);
    let app = with_rate(&url, &livekit, "1048576", "1h").await;
    livekit.keep_alive("alice");
    let alice = joined("alice");
    redis.put("general", std::slice::from_ref(&alice)).await;
    app.webhooks([started(), alice]).await;
    assert_eq!(identities(&app.participants("general").await.json()), ["alice"]);
    describe_a_hundred_rooms(&app, &mut redis).await;
    let names = "livekit_redis_reads_total{what=\"room_names\",outcome=\"ok\"}";
    let (began, before) = (Instant::now(), app.metric(names).await);
    while began.elapsed() < Duration::from_secs(4) {
        redis.describe("room-0", &metadata()).await;
        app.rooms().await;
    }
    let readings = app.metric(names).await - before;
    // Six megabytes, of which a quarter of the rate has one each 24 seconds.
    assert!((1.0..=2.0).contains(&readings), "{readings} readings");
}

#[tokio::test]
async fn names_of_rooms_are_read_alone_and_not_again_until_a_room_changes() {
    let (livekit, mut redis) = (ScriptedLiveKit::start(KEYS).await, LiveKitsRedis::start().await);
    let app = with_rate(&redis.url(), &livekit, "8388608", "1h").await;
    livekit.keep_alive("alice");
    let alice = joined("alice");
    redis.put("general", std::slice::from_ref(&alice)).await;
    app.webhooks([started(), alice]).await;
    describe_a_hundred_rooms(&app, &mut redis).await;
    let has_all = async || app.rooms().await.to_string().contains("room-99");
    eventually("all rooms", has_all).await;
    let names = "livekit_redis_reads_total{what=\"room_names\",outcome=\"ok\"}";
    // Rooms that nobody has heard of are compared once, which ends here.
    eventually("quiet", async || {
        let before = app.metric(READ).await;
        app.rooms().await;
        app.metric(READ).await == before
    })
    .await;
    let (count, before) = (app.metric(names).await, app.metric(READ).await);
    for _ in 0..50 {
        app.rooms().await;
    }
    assert_eq!(app.metric(names).await, count);
    assert!(before < 200_000.0, "{before} bytes in all, and not the metadata of all");
    redis.describe("another", "").await;
    eventually("the other room", async || app.rooms().await.to_string().contains("another")).await;
}

#[tokio::test]
async fn large_rooms_that_are_watched_for_the_first_time_wait_for_each_other() {
    let (livekit, mut redis) = (ScriptedLiveKit::start(KEYS).await, LiveKitsRedis::start().await);
    let app = with_rate(&redis.url(), &livekit, "131072", "1h").await;
    let mut subscribers = Vec::new();
    for number in 0..10 {
        let room = format!("room-{number}");
        redis.put(&room, &people(60)).await;
        subscribers.push(app.subscriber(&room).await);
    }
    // Six hundred kilobytes each, of which the burst of the budget has none: the first is read, and the others have to wait.
    let put_off = "livekit_redis_reads_total{what=\"people\",outcome=\"over_budget\"}";
    eventually("others to wait", async || app.metric(put_off).await >= 9.0).await;
    let bytes = app.metric(READ).await;
    assert!(bytes < 1_500_000.0, "{bytes} bytes");
}
