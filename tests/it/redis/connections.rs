//! How the service reaches Redis: TLS, users, databases, prefixes, and a Redis that starts after the service.

use std::time::Duration;

use crate::harness::{
    Follower, Process, RedisServer, Sender, eventually, free_port, joined, left, started, url_of,
};

use super::fixture::{Fixture, instance, sorted_identities};

const CA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/ca.pem");

/// An instance that is ready, and a sender of webhooks to it.
pub async fn working(redis_url: &str, settings: &[(&str, &str)]) -> (Process, Sender) {
    let service = instance(redis_url, settings).await;
    eventually("it to be fit", async || service.get("/readyz").await.status == 200).await;
    let sender = Sender::to(&[service.address.port()]);
    (service, sender)
}

/// Checks that webhooks come out again, in a stream and in a GET.
pub async fn works(service: &Process, sender: &Sender, person: &str) {
    let follower = Follower::of_room(service.address.port(), "general");
    sender.deliver(&started()).await;
    sender.deliver(&joined(person)).await;
    follower.until_people("general", &[person]).await;
    let list = service.get("/api/livekit/participants?room=general").await;
    assert_eq!(sorted_identities(&list), [person]);
    sender.deliver(&left(person)).await;
    follower.until_people("general", &[]).await;
}

#[tokio::test]
async fn tls_with_an_authority_of_ones_own() {
    let redis = RedisServer::with_tls().await;
    let url = format!("rediss://localhost:{}", redis.tls_port);
    let (service, sender) = working(&url, &[("LKP__STORE__CA_FILE", CA)]).await;
    works(&service, &sender, "alice").await;
}

#[tokio::test]
async fn a_certificate_of_an_untrusted_authority_is_refused() {
    let redis = RedisServer::with_tls().await;
    let url = format!("rediss://localhost:{}", redis.tls_port);
    let service = instance(&url, &[]).await;
    eventually("the reason to be logged", async || {
        let log = service.log();
        log.contains("cannot connect to Redis") && log.contains("certificate")
    })
    .await;
    assert_eq!(service.get("/readyz").await.status, 503);
}

#[tokio::test]
async fn a_user_with_no_more_rights_than_needed() {
    let redis = RedisServer::with_password("of-the-operator").await;
    redis
        .ask(&[
            "ACL",
            "SETUSER",
            "presence",
            "on",
            ">hunter2%&",
            "~lkp:*",
            "&lkp:*",
            "-@all",
            "+@read",
            "+@write",
            "+@scripting",
            "+@pubsub",
            "+@connection",
            "-@dangerous",
            "+time",
            "+info",
        ])
        .await;
    // The password is percent-encoded in the address.
    let url = format!("redis://presence:hunter2%25%26@127.0.0.1:{}", redis.port);
    let (service, sender) = working(&url, &[]).await;
    works(&service, &sender, "alice").await;
    assert!(!redis.keys("lkp:*").await.is_empty());
}

#[tokio::test]
async fn a_password_alone() {
    let redis = RedisServer::with_password("hunter2").await;
    let url = format!("redis://:hunter2@127.0.0.1:{}", redis.port);
    let (service, sender) = working(&url, &[]).await;
    works(&service, &sender, "alice").await;
}

#[tokio::test]
async fn a_wrong_password_is_told_and_never_written() {
    let redis = RedisServer::with_password("right").await;
    let url = format!("redis://:hunter2@127.0.0.1:{}", redis.port);
    let service = instance(&url, &[("LKP__LOG__LEVEL", "trace")]).await;
    eventually("the reason to be logged", async || {
        let log = service.log();
        log.contains("cannot connect to Redis") && log.contains("authentication failed")
    })
    .await;
    let answer = Sender::to(&[service.address.port()]).try_once(&started()).await.unwrap();
    assert_eq!(answer.status, 503);
    let log = service.log();
    assert!(log.contains(&format!("127.0.0.1:{}", redis.port)), "it says where:\n{log}");
    assert!(!log.contains("hunter2"), "{log}");
}

#[tokio::test]
async fn an_address_with_a_fault_is_told_without_its_password() {
    for url in ["redis://:hunter2@:::1", "http://:hunter2@localhost:6379", "rediss//hunter2"] {
        let variables = [("LIVEKIT_KEYS", "a: b"), ("REDIS_URL", url)];
        let output = Process::command(&[], &variables).output().await.unwrap();
        assert_eq!(output.status.code(), Some(1), "{url}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("REDIS_URL") || error.contains("store.redis_url"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let variables = [("LIVEKIT_KEYS", "a: b"), ("REDIS_URL", "redis://:hunter2@localhost:6379/1")];
    let output = Process::command(&["check"], &variables).output().await.unwrap();
    assert!(output.status.success());
    assert!(!String::from_utf8(output.stdout).unwrap().contains("hunter2"));
}

#[tokio::test]
async fn a_prefix_that_would_move_keys_between_slots_is_refused() {
    for prefix in ["{lkp}:", "lkp}", "a{b"] {
        let variables = [
            ("LIVEKIT_KEYS", "a: b"),
            ("REDIS_URL", "redis://localhost"),
            ("LKP__STORE__KEY_PREFIX", prefix),
        ];
        let output = Process::command(&["check"], &variables).output().await.unwrap();
        assert_eq!(output.status.code(), Some(1), "{prefix}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("store.key_prefix"));
    }
}

/// Checks that two instances which share only the server hear nothing of each other.
async fn are_strangers(one: (Process, Sender), other: (Process, Sender)) {
    let mut versions = Vec::new();
    let mut followers = Vec::new();
    for ((service, sender), person) in [(&one, "alice"), (&other, "bob")] {
        let follower = Follower::of_rooms(service.address.port(), &["general"]);
        sender.deliver(&started()).await;
        sender.deliver(&joined(person)).await;
        follower.until_people("general", &[person]).await;
        versions.push(follower.shown("general").version);
        followers.push(follower);
    }
    one.1.deliver(&joined("carol")).await;
    followers[0].until_people("general", &["alice", "carol"]).await;
    // If the other instance hears of it, it does so before this.
    other.1.deliver(&joined("dave")).await;
    followers[1].until_people("general", &["bob", "dave"]).await;
    for (follower, (service, _)) in followers.iter().zip([&one, &other]) {
        follower.was_never_cut();
        let metrics = service.get("/metrics").await;
        let resyncs = metrics.text().lines().filter(|line| {
            line.contains("resync") && !line.starts_with('#') && line.contains("gap")
        });
        for line in resyncs {
            assert!(line.ends_with(" 0"), "it was told what is not its own: {line}");
        }
    }
}

#[tokio::test]
async fn databases_of_one_server_know_nothing_of_each_other() {
    let redis = RedisServer::start().await;
    let one = working(&format!("{}/1", redis.url()), &[]).await;
    let other = working(&format!("{}/2", redis.url()), &[]).await;
    are_strangers(one, other).await;
    assert_eq!(redis.keys("*").await, Vec::<String>::new(), "nothing in database 0");
}

#[tokio::test]
async fn prefixes_in_one_database_know_nothing_of_each_other() {
    let redis = RedisServer::start().await;
    let one = working(&redis.url(), &[("LKP__STORE__KEY_PREFIX", "one:")]).await;
    let other = working(&redis.url(), &[("LKP__STORE__KEY_PREFIX", "other:")]).await;
    are_strangers(one, other).await;
    let keys = redis.keys("*").await;
    let is_ours = |key: &String| key.starts_with("one:") || key.starts_with("other:");
    assert!(keys.iter().all(is_ours), "{keys:?}");
}

#[tokio::test]
async fn a_redis_that_comes_later_than_the_service() {
    let mut redis = RedisServer::new("redis-server".as_ref(), &[]);
    let service = instance(&redis.url(), &[]).await;
    let sender = Sender::to(&[service.address.port()]);
    eventually("the reason to be logged", async || {
        service.log().contains("cannot connect to Redis")
    })
    .await;
    assert_eq!(service.get("/readyz").await.status, 503);
    assert_eq!(service.get("/healthz").await.status, 200);
    let answer = sender.try_once(&started()).await.unwrap();
    assert_eq!((answer.status, answer.retry_after().is_some()), (503, true));
    let nothing_known = service.get("/api/livekit/participants?room=general").await;
    nothing_known.problem(503);
    redis.start_again().await;
    eventually("it to be fit", async || service.get("/readyz").await.status == 200).await;
    works(&service, &sender, "alice").await;
}

#[tokio::test]
async fn while_redis_cannot_be_reached_the_log_stays_short() {
    let service = instance(&url_of(free_port()), &[("LKP__LOG__LEVEL", "info")]).await;
    let sender = Sender::to(&[service.address.port()]);
    for _ in 0..100 {
        let answer = sender.try_once(&started()).await.unwrap();
        assert_eq!(answer.status, 503);
        assert!(answer.after < Duration::from_secs(1));
    }
    let said = || service.log().matches("cannot connect to Redis").count();
    eventually("the reason to be logged", async || said() > 0).await;
    assert_eq!(said(), 1, "{}", service.log());
}

#[tokio::test]
async fn livekit_may_share_the_same_redis() {
    let redis = RedisServer::start().await;
    redis.ask(&["HSET", "rooms", "general", "livekit's own"]).await;
    redis.ask(&["HSET", "room_participants:general", "alice", "livekit's own"]).await;
    let mut fixture = Fixture::on(&redis.url()).await;
    fixture.enters(&joined("bob")).await;
    fixture.becomes_right().await;
    let keys = redis.keys("*").await;
    let others: Vec<_> = keys.iter().filter(|key| !key.starts_with("lkp:")).collect();
    assert_eq!(others, ["room_participants:general", "rooms"]);
}
