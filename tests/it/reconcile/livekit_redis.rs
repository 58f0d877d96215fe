//! LiveKit's own Redis tells at once what no webhook tells, and spares its API.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{
    LiveKitsRedis, RedisServer, ScriptedLiveKit, Subscriber, TcpProxy, TestApp, WebhookBody,
    eventually, identities, joined, left, published, started,
};

use super::KEYS;

/// The service beside a scripted LiveKit and its Redis.
pub(super) async fn with_redis(
    settings: &[(&str, &str)],
) -> (TestApp, ScriptedLiveKit, LiveKitsRedis) {
    let (livekit, redis) = (ScriptedLiveKit::start(KEYS).await, LiveKitsRedis::start().await);
    let app = follows(None, &livekit, &redis.url(), settings).await;
    (app, livekit, redis)
}

pub(super) async fn follows(
    store: Option<&RedisServer>,
    livekit: &ScriptedLiveKit,
    redis: &str,
    settings: &[(&str, &str)],
) -> TestApp {
    let url = livekit.url();
    let mut all = vec![
        ("LIVEKIT_URL", url.as_str()),
        ("LIVEKIT_REDIS_URL", redis),
        ("LKP__RECONCILE__EVERY", "1h"),
    ];
    all.extend(settings);
    let app = TestApp::on(store, &all, KEYS).await;
    follows_again(&app).await;
    app
}

async fn follows_again(app: &TestApp) {
    eventually("LiveKit's Redis to be followed", async || {
        app.metric("livekit_redis_up").await == 1.0
    })
    .await;
}

/// Alice, who has just come, as LiveKit keeps her.
pub(super) async fn with_alice(
    app: &TestApp,
    livekit: &ScriptedLiveKit,
    redis: &mut LiveKitsRedis,
) -> (WebhookBody, Subscriber) {
    livekit.keep_alive("alice");
    let alice = joined("alice");
    redis.put("general", std::slice::from_ref(&alice)).await;
    app.webhooks([started(), alice.clone()]).await;
    let mut subscriber = app.subscriber("general").await;
    assert_eq!(subscriber.next_list().await, ["alice"]);
    (alice, subscriber)
}

pub(super) fn calls(livekit: &ScriptedLiveKit) -> usize {
    ["ListParticipants", "ListRooms", "UpdateSubscriptions"]
        .iter()
        .map(|method| livekit.calls(method, None))
        .sum()
}

/// Waits for a list whose first person is like that.
async fn until(subscriber: &mut Subscriber, is_it: impl Fn(&Value) -> bool) -> Duration {
    let began = Instant::now();
    while !is_it(&subscriber.next().await.unwrap().json()[0]) {}
    began.elapsed()
}

#[tokio::test]
async fn what_no_webhook_tells_is_shown_at_once_and_costs_no_call() {
    let (app, livekit, mut redis) = with_redis(&[]).await;
    let (alice, mut subscriber) = with_alice(&app, &livekit, &mut redis).await;
    app.webhook(published("alice", "TR_1")).await;
    until(&mut subscriber, |one| one["tracks"][0]["sid"] == "TR_1").await;
    let before = calls(&livekit);
    let mut all = Vec::new();
    let microphone = |muted| json!([{"sid": "TR_1", "muted": muted}]);
    let mut alice = alice.version(3).with("tracks", microphone(false));
    let permission = json!({"can_subscribe": true});
    for (change, field, expected) in [
        (("name", json!("Alice")), "/name", json!("Alice")),
        (("metadata", json!("busy")), "/metadata", json!("busy")),
        (("attributes", json!({"hand": "up"})), "/attributes/hand", json!("up")),
        (("permission", permission), "/permission/canPublish", json!(false)),
        // Muting raises no version.
        (("tracks", microphone(true)), "/tracks/0/muted", json!(true)),
        (("tracks", microphone(false)), "/tracks/0/muted", json!(false)),
    ] {
        let is_mute = change.0 == "tracks";
        let version = alice.0["participant"]["version"].as_u64().unwrap() + u64::from(!is_mute);
        alice = alice.version(u32::try_from(version).unwrap()).with(change.0, change.1);
        redis.put("general", std::slice::from_ref(&alice)).await;
        let is_it = |one: &Value| one.pointer(field) == Some(&expected);
        all.push(until(&mut subscriber, is_it).await);
    }
    redis.put("general", &[alice.clone().version(90).hidden()]).await;
    assert_eq!(subscriber.next_list().await, Vec::<String>::new());
    redis.put("general", &[alice.version(91)]).await;
    assert_eq!(subscriber.next_list().await, ["alice"]);
    println!("shown after {all:?}");
    assert!(all.iter().all(|took| *took < Duration::from_secs(1)), "{all:?}");
    assert_eq!(calls(&livekit), before);
    assert!(app.metric("refreshed_participants_total").await >= 8.0);
    assert_eq!(app.metric("repairs_total{kind=\"attribute\"}").await, 0.0, "nothing was wrong");
}

#[tokio::test]
async fn a_lost_webhook_is_mended_within_seconds() {
    let (app, livekit, mut redis) = with_redis(&[]).await;
    let (_, mut subscriber) = with_alice(&app, &livekit, &mut redis).await;
    let began = Instant::now();
    livekit.keep_alive("bob");
    redis.put("general", &[joined("bob")]).await;
    assert_eq!(subscriber.next_list().await, ["alice", "bob"]);
    assert!(began.elapsed() > Duration::from_millis(1_900), "a webhook may be on its way");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    livekit.forget("bob");
    redis.take("general", "bob").await;
    let began = Instant::now();
    assert_eq!(subscriber.next_list().await, ["alice"]);
    assert!(began.elapsed() < Duration::from_millis(1_900), "{:?}", began.elapsed());
    assert_eq!(livekit.calls("ListParticipants", None), 0);
    let probes = livekit.calls("UpdateSubscriptions", None);
    assert!((1..=2).contains(&probes), "whether bob lives, and one in two minutes: {probes}");
}

/// Nobody answers for them, and until the grace is over no list decides.
#[tokio::test]
async fn who_left_right_after_a_sign_of_life_goes_when_the_grace_is_over() {
    let (app, livekit, mut redis) = with_redis(&[("LKP__RECONCILE__GRACE", "2s")]).await;
    let (_, mut subscriber) = with_alice(&app, &livekit, &mut redis).await;
    redis.put("general", &[joined("bob")]).await;
    app.webhook(joined("bob")).await;
    let came_at = Instant::now();
    assert_eq!(subscriber.next_list().await, ["alice", "bob"]);
    redis.take("general", "bob").await;
    assert_eq!(subscriber.next_list().await, ["alice"]);
    assert!(came_at.elapsed() > Duration::from_millis(1_900), "{:?}", came_at.elapsed());
    assert!(came_at.elapsed() < Duration::from_secs(4), "{:?}", came_at.elapsed());
}

#[tokio::test]
async fn the_lists_of_cold_rooms_and_of_all_rooms_cost_no_call() {
    let (app, livekit, mut redis) = with_redis(&[]).await;
    let (_, _subscriber) = with_alice(&app, &livekit, &mut redis).await;
    let read = "refreshes_total{outcome=\"same\"}";
    eventually("alice to be read", async || app.metric(read).await > 0.0).await;
    let lists = || livekit.calls("ListParticipants", None) + livekit.calls("ListRooms", None);
    let before = lists();
    for one in ["carol", "dave", "erin"] {
        livekit.keep_alive(one);
    }
    redis.put("cold", &[joined("carol"), joined("dave")]).await;
    let answer = app.participants("cold").await;
    assert_eq!(identities(&answer.json()), ["carol", "dave"]);
    redis.put("other", &[joined("erin")]).await;
    eventually("the other room", async || app.rooms().await.to_string().contains("other")).await;
    assert_eq!(lists(), before);
}

#[tokio::test]
async fn no_reading_shows_a_ghost() {
    let (app, livekit, mut redis) = with_redis(&[("LKP__RECONCILE__EVERY", "200ms")]).await;
    let (alice, mut subscriber) = with_alice(&app, &livekit, &mut redis).await;
    // LiveKit crashed with both, and alice came back.
    let bob = joined("bob");
    livekit.kill("bob");
    livekit.list("general", &[]);
    redis.put("general", std::slice::from_ref(&bob)).await;
    let begun = started().created_at_ms(1_795_391_900_000);
    app.webhook(begun).await;
    let back = joined("alice").sid("PA_back").with("joinedAtMs", json!("1795391901000"));
    livekit.list("general", std::slice::from_ref(&back));
    redis.put("general", std::slice::from_ref(&back)).await;
    app.webhook(back.clone()).await;
    subscriber.until_list(&["alice"]).await;
    for version in 3..20 {
        redis.put("general", &[bob.clone().name(&format!("bob {version}"))]).await;
        redis.put("general", &[back.clone().version(version).metadata(&version.to_string())]).await;
        let shown = subscriber.next().await.unwrap().json();
        assert_eq!(identities(&shown), ["alice"], "{shown}");
    }
    drop(alice);
}

#[tokio::test]
async fn after_a_lost_connection_everything_is_read_again() {
    let (livekit, mut redis) = (ScriptedLiveKit::start(KEYS).await, LiveKitsRedis::start().await);
    let proxy = TcpProxy::start(redis.server.port).await;
    let url = format!("redis://127.0.0.1:{}", proxy.port);
    let app = follows(None, &livekit, &url, &[]).await;
    let (alice, mut subscriber) = with_alice(&app, &livekit, &mut redis).await;
    for round in 3..13 {
        proxy.refuse();
        proxy.cut();
        let metadata = format!("round {round}");
        redis.put("general", &[alice.clone().version(round).metadata(&metadata)]).await;
        proxy.accept();
        let took = until(&mut subscriber, |one| one["metadata"] == metadata.as_str()).await;
        assert!(took < Duration::from_secs(3), "{took:?}");
    }
    assert_eq!(livekit.calls("ListParticipants", None), 0);
}

#[tokio::test]
async fn while_its_redis_is_gone_livekits_api_is_asked_and_afterwards_no_more() {
    let (app, livekit, mut redis) = with_redis(&[("LKP__RECONCILE__EVERY", "200ms")]).await;
    let (alice, mut subscriber) = with_alice(&app, &livekit, &mut redis).await;
    redis.kill().await;
    livekit.list("general", &[alice.clone().version(3).metadata("by the API")]);
    until(&mut subscriber, |one| one["metadata"] == "by the API").await;
    redis.start_again().await;
    redis.put("general", &[alice.clone().version(4).metadata("by Redis")]).await;
    until(&mut subscriber, |one| one["metadata"] == "by Redis").await;
    follows_again(&app).await;
    let before = livekit.calls("ListParticipants", None);
    let confirmed = "comparisons_total{reason=\"watched\",outcome=\"confirmed\"}";
    let compared = app.metric(confirmed).await;
    eventually("comparisons", async || app.metric(confirmed).await > compared + 5.0).await;
    assert!(livekit.calls("ListParticipants", None) <= before + 1);
}

#[tokio::test]
async fn comparisons_of_a_quiet_room_cost_no_call() {
    let (app, livekit, mut redis) = with_redis(&[
        ("LKP__RECONCILE__EVERY", "100ms"),
        // With calls there would be one comparison a minute.
        ("LKP__LIVEKIT__CALLS_PER_MINUTE", "1"),
    ])
    .await;
    let (_, _subscriber) = with_alice(&app, &livekit, &mut redis).await;
    let confirmed = "comparisons_total{reason=\"watched\",outcome=\"confirmed\"}";
    eventually("comparisons", async || app.metric(confirmed).await > 10.0).await;
    assert!(calls(&livekit) <= 1, "one probe in two minutes");
}

#[tokio::test]
async fn comparisons_go_on_while_livekits_api_does_not_work() {
    let (app, livekit, mut redis) = with_redis(&[("LKP__RECONCILE__EVERY", "200ms")]).await;
    let (_, mut subscriber) = with_alice(&app, &livekit, &mut redis).await;
    livekit.set_fault(crate::harness::ApiFault::Refuses);
    app.webhook(left("somebody")).await;
    redis.put("general", &[joined("bob")]).await;
    assert_eq!(subscriber.next_list().await, ["alice", "bob"]);
}

#[tokio::test]
async fn a_room_with_a_value_that_cannot_be_read_is_asked_of_the_api() {
    let (app, livekit, mut redis) = with_redis(&[("LKP__RECONCILE__EVERY", "200ms")]).await;
    let (alice, mut subscriber) = with_alice(&app, &livekit, &mut redis).await;
    livekit.list("general", &[alice.clone().version(3).metadata("by the API"), joined("bob")]);
    redis.spoil("general", "bob").await;
    subscriber.until_list(&["alice", "bob"]).await;
    assert!(app.metric("refreshes_total{outcome=\"failed\"}").await >= 1.0);
}

#[tokio::test]
async fn another_livekits_redis_is_not_believed() {
    let (app, livekit, mut redis) = with_redis(&[("LKP__RECONCILE__EVERY", "100ms")]).await;
    // Its room has the same name.
    redis.put("general", &[joined("stranger").sid("PA_stranger")]).await;
    let alice = joined("alice");
    livekit.list("general", std::slice::from_ref(&alice));
    app.webhooks([started(), alice]).await;
    let mut subscriber = app.subscriber("general").await;
    assert_eq!(subscriber.next_list().await, ["alice"]);
    let asked = livekit.calls("ListParticipants", None);
    livekit.until_called("ListParticipants", asked + 6).await;
    assert_eq!(identities(&app.participants("general").await.json()), ["alice"]);
    let read = "livekit_redis_reads_total{what=\"people\",outcome=\"ok\"}";
    let before = app.metric(read).await;
    redis.put("general", &[joined("another").sid("PA_another")]).await;
    livekit.until_called("ListParticipants", asked + 12).await;
    assert_eq!(app.metric(read).await, before, "it is not read any more");
}

#[tokio::test]
async fn instances_on_one_store_read_by_themselves_and_agree() {
    let (livekit, mut redis) = (ScriptedLiveKit::start(KEYS).await, LiveKitsRedis::start().await);
    let store = RedisServer::start().await;
    let url = redis.url();
    let one = follows(Some(&store), &livekit, &url, &[]).await;
    let two = follows(Some(&store), &livekit, &url, &[]).await;
    let (alice, mut first) = with_alice(&one, &livekit, &mut redis).await;
    let mut second = two.subscriber("general").await;
    for version in 3..40 {
        let metadata = format!("version {version}");
        redis.put("general", &[alice.clone().version(version).metadata(&metadata)]).await;
        if version % 5 == 0 {
            until(&mut first, |one| one["metadata"] == metadata.as_str()).await;
            until(&mut second, |one| one["metadata"] == metadata.as_str()).await;
        }
    }
    let last = |one: &Value| one["metadata"] == "version 39";
    until(&mut first, last).await;
    until(&mut second, last).await;
    assert_eq!(livekit.calls("ListParticipants", None), 0);
}

#[tokio::test]
async fn a_large_room_is_read_within_its_share_however_often_it_changes() {
    let rate = 1024 * 1024;
    let settings = [("LKP__LIVEKIT__REDIS_BYTES_PER_SECOND", "1048576")];
    let (app, _livekit, mut redis) = with_redis(&settings).await;
    let people: Vec<_> = (0..1_000).map(|number| joined(&format!("person-{number}"))).collect();
    redis.put("general", &people).await;
    app.webhook(started()).await;
    app.webhooks(people.iter().cloned()).await;
    let mut subscriber = app.subscriber("general").await;
    let read = "livekit_redis_read_bytes_total";
    eventually("a first reading", async || app.metric(read).await > 0.0).await;
    let (began, before) = (Instant::now(), app.metric(read).await);
    let mut longest = Duration::ZERO;
    for version in 3..153 {
        let metadata = format!("{version}");
        redis.put("general", &[people[0].clone().version(version).metadata(&metadata)]).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        if version % 50 == 0 {
            let is_it = |one: &Value| {
                one["metadata"].as_str().is_some_and(|text| text >= metadata.as_str())
            };
            longest = longest.max(until(&mut subscriber, is_it).await);
        }
    }
    let bytes = app.metric(read).await - before;
    let allowed = f64::from(rate) / 4.0 * began.elapsed().as_secs_f64();
    println!("{bytes} bytes in {:?}, a change waited {longest:?}", began.elapsed());
    // Two readings may lie at the ends of the time.
    assert!(bytes < allowed + 2.0 * 110_000.0, "{bytes} bytes, {allowed} are allowed");
}
