//! LiveKit is moved to another Redis while the service reads the one before.

use crate::harness::{
    ScriptedLiveKit, WebhookBody, eventually, identities, joined, left, patiently, started,
};

use super::livekit_redis::{with_alice, with_redis};

const SHORT: &[(&str, &str)] =
    &[("LKP__RECONCILE__EVERY", "200ms"), ("LKP__RECONCILE__GRACE", "0ms")];

/// People who came to the LiveKit that has been moved: it lists them, and they live.
fn came(livekit: &ScriptedLiveKit, names: &[&str]) -> Vec<WebhookBody> {
    let came = |name: &&str| {
        livekit.keep_alive(name);
        joined(name).with("metadata", "by the API".into())
    };
    let people: Vec<_> = names.iter().map(came).collect();
    livekit.list("general", &people);
    names.iter().map(|name| joined(name)).collect()
}

#[tokio::test]
async fn the_redis_of_before_is_left_alone_and_livekits_api_is_asked() {
    let (app, livekit, mut redis) = with_redis(SHORT).await;
    let (_, mut subscriber) = with_alice(&app, &livekit, &mut redis).await;
    assert_eq!(app.metric("livekit_redis_up").await, 1.0);
    // It was killed with alice, who stays in the Redis of before. Three come to the one that runs now.
    livekit.kill("alice");
    redis.crash_node("ND_1");
    app.webhook(started()).await;
    let people = came(&livekit, &["bob", "carol", "dave"]);
    app.webhooks(people).await;
    patiently("it to be left alone", async || app.metric("livekit_redis_up").await == 0.0).await;
    loop {
        let list = subscriber.next().await.unwrap().json();
        let is_by_the_api =
            list.as_array().unwrap().iter().all(|one| one["metadata"] == "by the API");
        if is_by_the_api && identities(&list) == ["bob", "carol", "dave"] {
            return;
        }
    }
}

#[tokio::test]
async fn one_person_who_lives_and_is_not_there_is_enough_after_a_while() {
    let (app, livekit, mut redis) = with_redis(SHORT).await;
    let (_, _subscriber) = with_alice(&app, &livekit, &mut redis).await;
    // Her session of before stays there.
    let back = joined("alice").sid("PA_back").with("joinedAtMs", "1795391999000".into());
    livekit.list("general", std::slice::from_ref(&back));
    app.webhook(back).await;
    patiently("it to be left alone", async || app.metric("livekit_redis_up").await == 0.0).await;
    assert_eq!(identities(&app.participants("general").await.json()), ["alice"]);
}

#[tokio::test]
async fn people_who_left_unnoticed_do_not_speak_against_it() {
    let (app, livekit, mut redis) = with_redis(SHORT).await;
    let (_, mut subscriber) = with_alice(&app, &livekit, &mut redis).await;
    let names = ["bob", "carol", "dave", "erin", "frank"];
    for name in names {
        livekit.keep_alive(name);
    }
    let people = names.map(joined);
    redis.put("general", &people).await;
    app.webhooks(people).await;
    subscriber.until_list(&["alice", "bob", "carol", "dave", "erin", "frank"]).await;
    for name in names {
        livekit.forget(name);
        redis.take("general", name).await;
    }
    subscriber.until_list(&["alice"]).await;
    assert_eq!(livekit.calls("ListParticipants", None), 0, "it is believed all the time");
    assert_eq!(app.metric("livekit_redis_up").await, 1.0);
}

#[tokio::test]
async fn ghosts_do_not_speak_against_it() {
    let (app, livekit, mut redis) = with_redis(SHORT).await;
    let (_, mut subscriber) = with_alice(&app, &livekit, &mut redis).await;
    let names = ["bob", "carol", "dave"];
    let people = names.map(joined);
    redis.put("general", &people).await;
    app.webhooks(people).await;
    for name in names {
        livekit.kill(name);
    }
    redis.crash_node("ND_1");
    redis.add_node("ND_2");
    subscriber.until_list(&["alice"]).await;
    app.webhook(left("bob")).await;
    assert_eq!(livekit.calls("ListParticipants", None), 0, "it is believed all the time");
    assert_eq!(app.metric("livekit_redis_up").await, 1.0);
}

/// LiveKit's mistakes have emptied whole rooms in its Redis.
#[tokio::test]
async fn a_room_that_livekit_forgot_does_not_have_others_asked_of_the_api_for_long() {
    let (app, livekit, mut redis) = with_redis(SHORT).await;
    let (_, mut subscriber) = with_alice(&app, &livekit, &mut redis).await;
    let names = ["bob", "carol", "dave"];
    for name in names {
        livekit.keep_alive(name);
    }
    let people = names.map(|name| joined(name).room("forgotten"));
    app.webhooks(people).await;
    let _forgotten = app.subscriber("forgotten").await;
    livekit.until_called("ListParticipants", 1).await;
    // Somebody comes, and is there.
    livekit.keep_alive("erin");
    let erin = joined("erin");
    redis.put("general", std::slice::from_ref(&erin)).await;
    app.webhook(erin).await;
    subscriber.until_list(&["alice", "erin"]).await;
    let confirmed = "comparisons_total{reason=\"watched\",outcome=\"confirmed\"}";
    let (asked, compared) = (livekit.calls("ListParticipants", None), app.metric(confirmed).await);
    eventually("comparisons", async || app.metric(confirmed).await > compared + 20.0).await;
    assert!(livekit.calls("ListParticipants", None) <= asked + 4, "it is believed again");
    assert_eq!(app.metric("livekit_redis_up").await, 1.0);
}
