//! An upgrade from a release that kept a room in several keys, on the same Redis. `tests/fixtures/redis/release-0.1.jsonl` has
//! the keys that it left, a command a line.

use crate::harness::{
    Follower, PROCESS_KEYS, RedisServer, ScriptedLiveKit, Sender, eventually, joined, left,
    published,
};

use super::fixture::{instance, sorted_identities};

const RECORDED: &str = include_str!("../../fixtures/redis/release-0.1.jsonl");

/// A Redis as that release left it: alice, with a track, and bob in `general`, quentin in `quiet`, and a `closed` room.
async fn left_behind() -> RedisServer {
    let redis = RedisServer::start().await;
    for line in RECORDED.lines() {
        let command: Vec<String> = serde_json::from_str(line).unwrap();
        redis.ask(&command.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    redis
}

#[tokio::test]
async fn the_keys_of_an_older_release_are_left_alone_and_all_is_right_within_one_comparison() {
    let redis = left_behind().await;
    let old = redis.dump("lkp:{b*").await;
    assert!(old.len() > 10, "{:?}", old.keys());
    let livekit = ScriptedLiveKit::start(PROCESS_KEYS).await;
    livekit.list("general", &[joined("alice"), joined("bob")]);
    livekit.list("quiet", &[joined("quentin").room("quiet")]);
    let service = instance(&redis.url(), &[("LIVEKIT_URL", &livekit.url())]).await;
    eventually("it to be fit", async || service.get("/readyz").await.status == 200).await;

    let port = service.address.port();
    let follower = Follower::of_rooms(port, &["general", "quiet"]);
    follower.until_people("general", &["alice", "bob"]).await;
    follower.until_people("quiet", &["quentin"]).await;
    // Later webhooks build on that.
    let sender = Sender::to(&[port]);
    livekit.list("general", &[joined("alice"), joined("carol")]);
    sender.deliver(&joined("carol")).await;
    sender.deliver(&left("bob")).await;
    sender.deliver(&published("alice", "TR_1")).await;
    follower.until_people("general", &["alice", "carol"]).await;
    follower.was_never_cut();

    assert_eq!(redis.dump("lkp:{b*").await, old, "an older instance beside it goes on with them");
    for key in old.keys() {
        let secs: i64 = redis.ask(&["TTL", key]).await.text().parse().unwrap();
        assert!((0..=86_400).contains(&secs), "{key} ends by itself: {secs}");
    }
}

#[tokio::test]
async fn while_an_older_release_takes_every_other_webhook_both_become_right() {
    let redis = left_behind().await;
    let livekit = ScriptedLiveKit::start(PROCESS_KEYS).await;
    let service = instance(&redis.url(), &[("LIVEKIT_URL", &livekit.url())]).await;
    eventually("it to be fit", async || service.get("/readyz").await.status == 200).await;
    let sender = Sender::to(&[service.address.port()]);
    let follower = Follower::of_room(service.address.port(), "general");
    let mut inside = vec![joined("alice"), joined("bob")];
    livekit.list("general", &inside);
    for number in 0..10 {
        let person = joined(&format!("person-{number}"));
        inside.push(person.clone());
        livekit.list("general", &inside);
        // The others go to an instance of the older release, which keeps them in keys of its own.
        if number % 2 == 0 {
            sender.deliver(&person).await;
        }
    }
    let mut expected: Vec<_> = (0..10).map(|number| format!("person-{number}")).collect();
    expected.extend(["alice".to_owned(), "bob".to_owned()]);
    expected.sort();
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    follower.until_people("general", &expected).await;
    let read = service.get("/api/livekit/participants?room=general").await;
    assert_eq!(sorted_identities(&read), expected);
}
