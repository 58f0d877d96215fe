//! A server of LiveKit crashes: its Redis tells of that, and no webhook does.

use std::time::{Duration, Instant};

use crate::harness::{
    ApiFault, LiveKitsRedis, ScriptedLiveKit, Subscriber, TestApp, eventually, joined, patiently,
    published, started,
};

use super::{
    KEYS,
    livekit_redis::{calls, follows, with_alice, with_redis},
};

/// In these tests nobody is compared or probed for an hour, unless a crash is seen.
async fn with_readings(app: &TestApp) {
    let read = "livekit_redis_reads_total{what=\"nodes\",outcome=\"ok\"}";
    eventually("readings of the servers", async || app.metric(read).await >= 4.0).await;
}

async fn is_taken_out(subscriber: &mut Subscriber) -> Duration {
    let began = Instant::now();
    subscriber.until_list(&[]).await;
    began.elapsed()
}

#[tokio::test]
async fn when_a_server_writes_no_more_its_people_are_probed_at_once() {
    let (app, livekit, mut redis) = with_redis(&[]).await;
    let (_, mut subscriber) = with_alice(&app, &livekit, &mut redis).await;
    with_readings(&app).await;
    assert_eq!(app.metric("livekit_redis_nodes").await, 1.0);
    livekit.kill("alice");
    redis.crash_node("ND_1");
    let took = is_taken_out(&mut subscriber).await;
    println!("taken out after {took:?}");
    assert!(took > Duration::from_secs(4), "a server may be late: {took:?}");
    assert_eq!(app.metric("livekit_redis_nodes_lost_total").await, 1.0);
    assert_eq!(app.metric("livekit_redis_nodes").await, 0.0);
}

#[tokio::test]
async fn when_another_server_has_taken_one_out_the_people_are_probed_again() {
    let (app, livekit, mut redis) = with_redis(&[]).await;
    let (_, mut subscriber) = with_alice(&app, &livekit, &mut redis).await;
    with_readings(&app).await;
    redis.crash_node("ND_1");
    // Nobody answers for LiveKit until it starts again.
    livekit.set_fault(ApiFault::Refuses);
    let lost = "livekit_redis_nodes_lost_total";
    eventually("it to be seen", async || app.metric(lost).await == 1.0).await;
    livekit.set_fault(ApiFault::None);
    livekit.kill("alice");
    redis.add_node("ND_2");
    redis.take_node_out("ND_1").await;
    is_taken_out(&mut subscriber).await;
    assert_eq!(app.metric(lost).await, 2.0);
}

#[tokio::test]
async fn one_server_of_several_is_seen_to_crash() {
    let (app, livekit, mut redis) = with_redis(&[]).await;
    for node in ["ND_2", "ND_3"] {
        redis.add_node(node);
    }
    let (_, mut subscriber) = with_alice(&app, &livekit, &mut redis).await;
    eventually("the servers", async || app.metric("livekit_redis_nodes").await == 3.0).await;
    with_readings(&app).await;
    livekit.kill("alice");
    redis.crash_node("ND_2");
    is_taken_out(&mut subscriber).await;
    assert_eq!(app.metric("livekit_redis_nodes").await, 2.0);
}

#[tokio::test]
async fn a_hundred_rooms_are_rid_of_their_ghosts_within_the_budget() {
    let (app, livekit, mut redis) = with_redis(&[
        ("LKP__LIMITS__STREAMS_PER_ADDRESS", "200"),
        ("LKP__LIMITS__STREAMS_PER_IDENTITY", "200"),
    ])
    .await;
    let (_, _subscriber) = with_alice(&app, &livekit, &mut redis).await;
    let mut streams = Vec::new();
    for number in 0..100 {
        let (room, one) = (format!("room-{number}"), format!("person-{number}"));
        let person = joined(&one).room(&room);
        livekit.keep_alive(&one);
        redis.put(&room, std::slice::from_ref(&person)).await;
        app.webhooks([started().room(&room), person]).await;
        streams.push(app.subscriber(&room).await);
        streams.last_mut().unwrap().until_list(&[&one]).await;
    }
    with_readings(&app).await;
    let before = calls(&livekit);
    for number in 0..100 {
        livekit.kill(&format!("person-{number}"));
    }
    livekit.kill("alice");
    redis.crash_node("ND_1");
    let began = Instant::now();
    // The budget has ten calls a second, and each of them takes three or four.
    let evicted = "repairs_total{kind=\"crash_ghost\"}";
    patiently("all to be gone", async || app.metric(evicted).await == 101.0).await;
    let calls = calls(&livekit) - before;
    println!("all are gone after {:?} and {calls} calls", began.elapsed());
    assert!(calls <= 101 * 5, "{calls}");
}

#[tokio::test]
async fn without_the_right_to_see_servers_quiet_rooms_are_probed_as_without_livekits_redis() {
    let (livekit, mut redis) = (ScriptedLiveKit::start(KEYS).await, LiveKitsRedis::start().await);
    redis.server.ask(&crate::livekit_redis::acl_without_nodes()).await;
    let url = format!("redis://reader:secret@127.0.0.1:{}", redis.server.port);
    let app = follows(None, &livekit, &url, &[("LKP__RECONCILE__EVERY", "200ms")]).await;
    let (_, _subscriber) = with_alice(&app, &livekit, &mut redis).await;
    livekit.until_called("UpdateSubscriptions", 5).await;
    assert_eq!(livekit.calls("ListParticipants", None), 0, "all else is read");
}

#[tokio::test]
async fn while_no_server_is_seen_quiet_rooms_are_probed_as_without_livekits_redis() {
    let (livekit, mut redis) = (ScriptedLiveKit::start(KEYS).await, LiveKitsRedis::start().await);
    redis.crash_node("ND_1");
    redis.take_node_out("ND_1").await;
    let app = follows(None, &livekit, &redis.url(), &[("LKP__RECONCILE__EVERY", "200ms")]).await;
    let (_, _subscriber) = with_alice(&app, &livekit, &mut redis).await;
    livekit.until_called("UpdateSubscriptions", 5).await;
}

#[tokio::test]
async fn a_room_whose_people_have_just_shown_life_keeps_its_turn() {
    let (app, livekit, mut redis) = with_redis(&[("LKP__RECONCILE__EVERY", "3s")]).await;
    let (_, _subscriber) = with_alice(&app, &livekit, &mut redis).await;
    let compared = "comparisons_total{reason=\"watched\",outcome=\"confirmed\"}";
    while app.metric(compared).await < 1.0 {
        app.webhook(published("alice", "TR_1")).await;
    }
    // She was not due then. A turn that the room had taken for nobody would not come again for two minutes.
    livekit.until_called("UpdateSubscriptions", 1).await;
}
