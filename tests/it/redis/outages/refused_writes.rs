//! Redis runs, and takes no writes.

use crate::{
    harness::{RedisServer, Reply, eventually, finished, joined, left, published, started},
    redis::fixture::{Fixture, ROOM, sorted_identities},
};

/// Redis answers, and refuses every write while a setting has this value.
async fn takes_nothing(setting: &str, while_away: &str, again: &str) {
    let redis = RedisServer::start().await;
    let mut fixture = Fixture::on(&redis.url()).await;
    let bob = joined("bob");
    fixture.lets_in(&bob);
    for webhook in [published("alice", "TR_1"), published("nobody-yet", "TR_2")] {
        fixture.sender.deliver(&webhook).await;
    }
    redis.ask(&["CONFIG", "SET", setting, while_away]).await;
    let dump = async || {
        let mut dump = redis.dump(&format!("lkp:room:*:{ROOM}")).await;
        dump.extend(redis.dump("lkp:index:*").await);
        dump
    };
    let before = dump().await;
    let webhooks = [
        bob.clone(),
        left("alice"),
        published("alice", "TR_3"),
        joined("alice").sid("PA_another"),
        finished(),
        started().created_at_ms(u64::MAX / 2_000),
        joined("new").room("brand-new"),
        left("new").room("brand-new"),
    ];
    for webhook in &webhooks {
        fixture.refuses(webhook).await;
        assert_eq!(dump().await, before, "half of {:?}", webhook.0["event"]);
    }
    assert_eq!(redis.keys("lkp:room:*:brand-new").await, Vec::<String>::new());
    fixture.streams_stayed_open();
    redis.ask(&["CONFIG", "SET", setting, again]).await;
    fixture.sender.deliver(&bob).await;
    fixture.becomes_right().await;
}

#[tokio::test]
async fn out_of_memory() {
    takes_nothing("maxmemory", "1", "0").await;
}

#[tokio::test]
async fn without_the_replicas_that_its_writes_need() {
    takes_nothing("min-replicas-to-write", "1", "0").await;
}

#[tokio::test]
async fn another_type_at_one_of_our_keys() {
    let redis = RedisServer::start().await;
    let mut fixture = Fixture::without_livekits_api(&redis.url()).await;
    // All keys that a room can have.
    let fill = [
        started().room("broken"),
        joined("erin").room("broken"),
        published("erin", "TR_1").room("broken"),
        published("nobody-yet", "TR_2").room("broken"),
        joined("frank").room("broken"),
        left("frank").room("broken"),
    ];
    for webhook in &fill {
        fixture.sender.deliver(webhook).await;
    }
    let mut keys = redis.keys("lkp:room:*:broken").await;
    assert_eq!(keys.len(), 1, "a room is one hash");
    let (bucket, _) = keys[0].split_once("}:").unwrap();
    keys.push(format!("{}}}", bucket.replace("room:", "index:")));
    for (number, key) in keys.iter().enumerate() {
        redis.ask(&["RENAME", key, "kept"]).await;
        redis.ask(&["SET", key, "not ours"]).await;
        let before = redis.dump("*").await;
        let grace = joined(&format!("grace-{number}")).room("broken");
        let leave = left("erin").room("broken");
        for webhook in [&grace, &leave] {
            let answer = fixture.sender.try_once(webhook).await.unwrap();
            assert_eq!(answer.status, 503, "with {key} of another type");
        }
        assert_eq!(redis.dump("*").await, before, "with {key} of another type");
        redis.ask(&["RENAME", "kept", key]).await;
        assert_eq!(fixture.sender.try_once(&grace).await.unwrap().status, 200);
    }
    // Other rooms were not affected.
    fixture.enters(&joined("bob")).await;
    fixture.becomes_right().await;
    assert_eq!(sorted_identities(&fixture.read("broken").await).len(), 1 + keys.len());
}

#[tokio::test]
async fn busy_with_somebody_elses_script() {
    let redis = RedisServer::start().await;
    let mut fixture = Fixture::on(&redis.url()).await;
    redis.ask(&["CONFIG", "SET", "busy-reply-threshold", "100"]).await;
    let bob = joined("bob");
    fixture.lets_in(&bob);
    let endless = redis.try_ask(&["EVAL", "while true do end", "0"]);
    let meanwhile = async {
        eventually("it to be busy", async || {
            let answer = redis.try_ask(&["PING"]).await;
            matches!(answer, Ok(Reply::Error(error)) if error.starts_with("BUSY"))
        })
        .await;
        fixture.is_away(&bob).await;
        redis.ask(&["SCRIPT", "KILL"]).await;
    };
    let (killed, ()) = tokio::join!(endless, meanwhile);
    assert!(matches!(killed, Ok(Reply::Error(_))), "{killed:?}");
    fixture.sender.deliver(&bob).await;
    fixture.becomes_right().await;
}
