//! What only the store on Redis does: its commands, its keys and its rows.

use std::{error::Error as _, sync::Arc, time::Duration};

use livekit_presence::{
    presence::{Applied, LiveKitTime, Rules},
    store::{EventLogSettings, FeedMessage, Outbox, Store},
};

use crate::harness::{RedisServer, TestClock, eventually, within_deadline};

use super::webhooks::{finished, give_metadata, in_opening, joined, left, room, started};
use super::{events, outbox};

/// A store on a new server.
pub async fn redis_store() -> (Arc<dyn Store>, RedisServer) {
    let server = RedisServer::start().await;
    (Arc::new(server.store(Rules::default(), None).0), server)
}

/// A store on a new server that keeps few events.
pub async fn redis_store_of_events() -> (Arc<dyn Store>, RedisServer) {
    let server = RedisServer::start().await;
    let settings = EventLogSettings { keep: events::KEEP, max: events::MAX_EVENTS };
    (Arc::new(server.store_with(Rules::default(), None, settings).0), server)
}

/// A store on a new server, and its outbox.
pub async fn redis_store_keeping_history() -> (Arc<dyn Store>, Arc<dyn Outbox>, RedisServer) {
    let server = RedisServer::start().await;
    let store = server.store_keeping_history(outbox::SETTINGS);
    let outbox = store.outbox().expect("history is kept");
    (Arc::new(store), outbox, server)
}

#[tokio::test]
async fn an_event_is_one_command_however_much_it_does() {
    let (store, server) = redis_store().await;
    let general = room("general");
    store.apply(&started(&general)).await.unwrap();
    server.ask(&["CONFIG", "RESETSTAT"]).await;
    for number in 0..50 {
        store.apply(&joined(&general, &format!("user-{number}"), number)).await.unwrap();
        store.apply(&left(&general, &format!("user-{number}"))).await.unwrap();
    }
    let stats = server.ask(&["INFO", "commandstats"]).await.text();
    let scripts = stats.lines().find(|line| line.starts_with("cmdstat_evalsha:")).unwrap();
    assert!(scripts.contains("calls=100,"), "{scripts}");
    for other in ["cmdstat_eval:", "cmdstat_script", "cmdstat_hget:", "cmdstat_hgetall"] {
        assert!(!stats.contains(other), "{stats}");
    }
    let inside = stats.lines().find(|line| line.starts_with("cmdstat_hmget:")).unwrap();
    assert!(inside.contains("calls=100,"), "an instance that is alone reads nothing: {inside}");
}

#[tokio::test]
async fn a_start_or_finish_that_ends_nobodys_session_reads_nobody() {
    let (store, server) = redis_store().await;
    let general = room("general");
    store.apply(&started(&general)).await.unwrap();
    for number in 0..100 {
        let joined = joined(&general, &format!("user-{number}"), 10_000 + number);
        store.apply(&in_opening(joined, "RM_2")).await.unwrap();
    }
    server.ask(&["CONFIG", "RESETSTAT"]).await;
    // Ends and starts of the opening before, and of this one before they joined.
    for (event, opening) in [(finished(&general), "RM_1"), (finished(&general), "RM_2")] {
        store.apply(&in_opening(event, opening)).await.unwrap();
        store.apply(&in_opening(started(&general), opening)).await.unwrap();
    }
    let stats = server.ask(&["INFO", "commandstats"]).await.text();
    assert!(stats.contains("cmdstat_evalsha:calls=4,"), "{stats}");
    assert!(!stats.contains("cmdstat_hgetall"), "{stats}");
    assert_eq!(store.read(&general).await.unwrap().unwrap().count(), 100);
    // A finish that ends sessions still ends them.
    let mut ending = in_opening(finished(&general), "RM_2");
    ending.created_at = LiveKitTime::from_millis(10_050 - 1_000);
    store.apply(&ending).await.unwrap();
    assert_eq!(store.read(&general).await.unwrap().unwrap().count(), 50);
}

#[tokio::test]
async fn all_that_is_kept_of_a_room_ends_after_a_day() {
    let (store, server) = redis_store().await;
    let general = room("general");
    store.apply(&started(&general)).await.unwrap();
    store.apply(&joined(&general, "alice", 1)).await.unwrap();
    store.apply(&joined(&general, "bob", 2)).await.unwrap();
    store.apply(&left(&general, "bob")).await.unwrap();
    let keys = server.keys("*").await;
    assert_eq!(keys.len(), 2, "the room and its index: {keys:?}");
    for key in &keys {
        let seconds: i64 = server.ask(&["TTL", key]).await.text().parse().unwrap();
        assert!((86_390..=86_400).contains(&seconds), "{key}: {seconds}");
        server.ask(&["EXPIRE", key, "60"]).await;
    }
    store.renew(&general).await.unwrap();
    for key in &keys {
        let seconds: i64 = server.ask(&["TTL", key]).await.text().parse().unwrap();
        assert!(seconds > 86_390, "{key}: {seconds}");
    }
}

#[tokio::test]
async fn a_room_that_redis_dropped_is_lost_as_a_whole_and_an_event_does_not_build_on_it() {
    let (store, server) = redis_store().await;
    let general = room("general");
    store.apply(&started(&general)).await.unwrap();
    store.apply(&joined(&general, "alice", 1)).await.unwrap();
    let before = store.read(&general).await.unwrap().unwrap();
    assert!(before.completeness().is_complete_at(store.now().await.unwrap()));
    server.ask(&["DEL", &server.keys("lkp:room:*").await[0]]).await;
    assert!(store.read(&general).await.unwrap().is_none());

    let Applied::Changed(change) = store.apply(&joined(&general, "bob", 2)).await.unwrap() else {
        panic!("clients see bob");
    };
    assert!(change.prev > before.version(), "a hole, so that everybody reads again");
    let after = store.read(&general).await.unwrap().unwrap();
    assert_eq!(after.count(), 1);
    assert!(after.is_lost());
    assert!(!after.completeness().is_complete_at(store.now().await.unwrap()));

    // From there on the room is like any other.
    let Applied::Changed(change) = store.apply(&joined(&general, "carol", 3)).await.unwrap() else {
        panic!("clients see carol");
    };
    assert_eq!(change.prev, after.version(), "nothing is mended twice");
}

#[tokio::test]
async fn a_version_that_was_seen_is_never_gone_below() {
    let (store, server) = redis_store().await;
    let general = room("general");
    store.apply(&joined(&general, "alice", 1)).await.unwrap();
    let seen = store.read(&general).await.unwrap().unwrap().version();
    store.advance(&general, seen).await.unwrap();
    assert_eq!(store.read(&general).await.unwrap().unwrap().version(), seen, "it is not below");
    server.ask(&["FLUSHALL"]).await;
    let mut feed = store.follow(&general).await.unwrap();
    store.advance(&general, seen).await.unwrap();
    let advanced = store.read(&general).await.unwrap().unwrap();
    assert!(advanced.version() > seen);
    assert!(advanced.is_lost());
    assert_eq!(within_deadline("the feed", feed.next()).await.unwrap(), FeedMessage::Gap);
}

#[tokio::test]
async fn a_bucket_is_subscribed_once_while_its_rooms_are_followed_and_for_a_moment_after() {
    let (store, server) = redis_store().await;
    let subscribed =
        async || server.ask(&["PUBSUB", "CHANNELS", "lkp:changes:*"]).await.texts().len();
    let general = room("general");
    let feeds = [store.follow(&general).await.unwrap(), store.follow(&general).await.unwrap()];
    assert_eq!(subscribed().await, 1);
    drop(feeds);
    assert_eq!(subscribed().await, 1, "most come back at once");
    eventually("the subscription to end", async || subscribed().await == 0).await;
    let mut feed = store.follow(&general).await.unwrap();
    store.apply(&joined(&general, "alice", 1)).await.unwrap();
    let told = within_deadline("the feed", feed.next()).await.unwrap();
    assert!(matches!(told, FeedMessage::Changed(_)), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_too_big_to_be_sent_is_read_instead() {
    let (store, _server) = redis_store().await;
    let general = room("general");
    let mut feed = store.follow(&general).await.unwrap();
    let mut event = joined(&general, "alice", 1);
    give_metadata(&mut event, &"x".repeat(300_000));
    store.apply(&event).await.unwrap();
    assert_eq!(within_deadline("the feed", feed.next()).await.unwrap(), FeedMessage::Gap);
    assert_eq!(store.read(&general).await.unwrap().unwrap().count(), 1);
}

#[tokio::test]
async fn a_row_of_another_format_is_refused_and_never_overwritten() {
    let (store, server) = redis_store().await;
    let general = room("general");
    store.apply(&joined(&general, "alice", 1)).await.unwrap();
    let key = &server.keys("lkp:room:*").await[0];
    for field in ["m", "p:alice"] {
        let row = server.ask(&["HGET", key, field]).await.text();
        let newer = row.replacen(r#""format":1"#, r#""format":2"#, 1);
        server.ask(&["HSET", key, field, &newer, "r", "another's"]).await;
        let before = server.dump("*").await;
        let leave = left(&general, "alice");
        let refused = [
            store.apply(&leave).await.unwrap_err(),
            store.apply(&leave).await.unwrap_err(),
            store.read(&general).await.unwrap_err(),
        ];
        for error in refused {
            assert!(error.source().unwrap().to_string().contains("a row of format 2"), "{error}");
        }
        assert_eq!(server.dump("*").await, before);
        server.ask(&["HSET", key, field, &row]).await;
    }
    assert!(matches!(store.apply(&left(&general, "alice")).await.unwrap(), Applied::Changed(_)));
}

#[tokio::test]
async fn rooms_that_are_forgotten_are_taken_out_of_the_list() {
    let clock = TestClock::default();
    let server = RedisServer::start().await;
    let store = server.store(Rules::default(), Some(clock.clock())).0;
    for name in ["gone", "here"] {
        store.apply(&started(&room(name))).await.unwrap();
    }
    server.ask(&["DEL", &server.keys("lkp:room:*:gone").await[0]]).await;
    clock.set(clock.clock().now() + Duration::from_hours(25));
    assert_eq!(store.rooms().await.unwrap(), []);
    let indexes = server.keys("lkp:index:*").await;
    assert_eq!(indexes.len(), 1, "one is there, and may be shown again: {indexes:?}");
    store.apply(&joined(&room("here"), "alice", 1)).await.unwrap();
    assert_eq!(store.rooms().await.unwrap().len(), 1);
}

#[tokio::test]
async fn reading_a_room_deletes_rows_that_remember_nothing() {
    let clock = TestClock::default();
    let server = RedisServer::start().await;
    let store = server.store(Rules::default(), Some(clock.clock())).0;
    let general = room("general");
    store.apply(&joined(&general, "stays", 1)).await.unwrap();
    for number in 0..150 {
        store.apply(&joined(&general, &format!("user-{number}"), 1)).await.unwrap();
        store.apply(&left(&general, &format!("user-{number}"))).await.unwrap();
    }
    let key = &server.keys("lkp:room:*").await[0];
    let fields = async || server.ask(&["HKEYS", key]).await.texts().len();
    store.read(&general).await.unwrap();
    assert_eq!(fields().await, 3 + 150, "they are remembered for a day");
    clock.set(clock.clock().now() + Duration::from_hours(25));
    for left_over in [50, 0] {
        assert_eq!(store.read(&general).await.unwrap().unwrap().count(), 1);
        assert_eq!(fields().await, 3 + left_over);
    }
}
