//! Several instances on one Redis.

use std::time::{Duration, Instant};

use crate::{
    harness::{
        ApiFault, Connection, Follower, PROCESS_KEYS, Process, RedisServer, ScriptedLiveKit,
        TestDatabase, eventually, identities, joined, started,
    },
    redis::instance,
};

use super::{admin_of, ask, token};

async fn moderate(instance: &Process, method: &str, target: &str) -> crate::harness::Response {
    let bearer = format!("Bearer {}", token(PROCESS_KEYS, admin_of("general"), "moderator"));
    let target = format!("/api/livekit/rooms/general/{target}");
    ask(instance.address, method, &target, &[("Authorization", &bearer)], "").await
}

/// He comes, all instances hear of it, and LiveKit is told within a second.
async fn comes_again(
    instances: &[Process],
    livekit: &ScriptedLiveKit,
    round: usize,
    told_before: usize,
) {
    let bob = joined("bob").sid(&format!("PA_bob_{round}"));
    livekit.list("general", &[joined("alice"), bob.clone()]);
    let began = Instant::now();
    // LiveKit repeats a webhook to another instance, if the answer was lost.
    let posts = instances.iter().map(|one| async {
        let mut connection = Connection::open(one.address).await;
        connection.send(&one.webhook_request(&bob.bytes())).await;
        assert_eq!(connection.response().await.status, 200);
    });
    futures_util::future::join_all(posts).await;
    eventually("him to be removed", async || {
        livekit.calls("RemoveParticipant", Some("general")) > told_before
    })
    .await;
    println!("round {round}: LiveKit was told after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn three_instances_remove_a_banned_person_once_and_show_them_nowhere() {
    let (redis, livekit) = (RedisServer::start().await, ScriptedLiveKit::start(PROCESS_KEYS).await);
    let url = livekit.url();
    let mut instances = Vec::new();
    for _ in 0..3 {
        // Each compares the room often, so that webhooks and lists find him at once.
        let settings = [("LIVEKIT_URL", url.as_str()), ("LKP__RECONCILE__EVERY", "200ms")];
        instances.push(instance(&redis.url(), &settings).await);
    }
    livekit.list("general", &[joined("alice")]);
    instances[0].webhooks([started(), joined("alice")]).await;
    let followers: Vec<_> =
        instances.iter().map(|one| Follower::of_room(one.address.port(), "general")).collect();
    for follower in &followers {
        follower.until_people("general", &["alice"]).await;
    }
    assert_eq!(moderate(&instances[1], "PUT", "bans/bob").await.status, 200);
    let before = livekit.calls("RemoveParticipant", Some("general"));
    for round in 0..5 {
        comes_again(&instances, &livekit, round, before + round).await;
    }
    // What is still on its way would come with these comparisons.
    let lists = livekit.calls("ListParticipants", Some("general"));
    livekit.until_called("ListParticipants", lists + 6).await;
    assert_eq!(livekit.calls("RemoveParticipant", Some("general")), before + 5);
    for follower in &followers {
        follower.until_people("general", &["alice"]).await;
        let seen = format!("{:?}", follower.shown("general"));
        assert!(!seen.contains("bob"), "{seen}");
    }
}

#[tokio::test]
async fn an_instance_that_failed_to_remove_somebody_tries_again() {
    let (redis, livekit) = (RedisServer::start().await, ScriptedLiveKit::start(PROCESS_KEYS).await);
    let url = livekit.url();
    let settings = [("LIVEKIT_URL", url.as_str()), ("LKP__RECONCILE__EVERY", "1h")];
    let instance = instance(&redis.url(), &settings).await;
    instance.webhooks([started(), joined("bob")]).await;
    livekit.list("general", &[joined("bob")]);
    livekit.set_fault(ApiFault::Fails);
    assert_eq!(moderate(&instance, "PUT", "bans/bob").await.json()["removed"], false);
    livekit.until_called("RemoveParticipant", 2).await;
    livekit.set_fault(ApiFault::None);
    eventually("him to be removed", async || {
        let metrics = instance.get("/metrics").await;
        metrics.text().contains("bans_removals_total{outcome=\"removed\"} 1")
    })
    .await;
}

#[tokio::test]
async fn instances_put_back_the_bans_of_an_emptied_redis_within_seconds() {
    let (redis, kind) = (RedisServer::start().await, TestDatabase::sqlite());
    let url = kind.url();
    let settings = [("HISTORY_URL", url.as_str())];
    let instances =
        [instance(&redis.url(), &settings).await, instance(&redis.url(), &settings).await];
    assert_eq!(moderate(&instances[0], "PUT", "bans/bob").await.status, 200);
    redis.ask(&["FLUSHALL"]).await;
    let began = Instant::now();
    eventually("the ban to be there again", async || {
        let bans = moderate(&instances[1], "GET", "bans").await;
        bans.json()["bans"].as_array().is_some_and(|bans| bans.len() == 1)
    })
    .await;
    println!("put back after {:?}", began.elapsed());
    instances[0].webhooks([started(), joined("alice"), joined("bob")]).await;
    let list = instances[1].get("/api/livekit/participants?room=general").await;
    assert_eq!(identities(&list.json()), ["alice"]);
}
