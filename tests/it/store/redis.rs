//! What is the Redis store's own.

use std::{sync::Arc, time::Duration};

use livekit_presence::{
    presence::{Applied, LiveKitTime, Rules},
    store::{CallBucket, FeedMessage, Lease, Peers, SharedRooms, Store},
};

use crate::harness::{RedisServer, eventually, within_deadline};

use super::contract::{finished, in_opening, joined, left, room, started};

/// A store on a server of its own.
pub async fn redis_store() -> (Arc<dyn Store>, RedisServer) {
    let server = RedisServer::start().await;
    (Arc::new(server.store(Rules::default(), None).0), server)
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
    assert!(!stats.contains("cmdstat_eval:") && !stats.contains("cmdstat_script"), "{stats}");
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
    // Of the opening before, of this one before they joined, and late ones of both.
    for (event, opening) in [(finished(&general), "RM_1"), (finished(&general), "RM_2")] {
        store.apply(&in_opening(event, opening)).await.unwrap();
        store.apply(&in_opening(started(&general), opening)).await.unwrap();
    }
    let stats = server.ask(&["INFO", "commandstats"]).await.text();
    assert!(stats.contains("cmdstat_evalsha:calls=4,"), "{stats}");
    assert!(!stats.contains("cmdstat_hgetall"), "{stats}");
    assert_eq!(store.read(&general).await.unwrap().unwrap().count(), 100);
    // One that ends somebody's still does.
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
    assert!(keys.len() >= 6, "{keys:?}");
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
async fn a_room_of_which_a_part_is_evicted_is_partial_and_its_followers_read_it_again() {
    let (store, server) = redis_store().await;
    for part in ["meta", "participants", "tracks", "identities"] {
        let general = room(&format!("without {part}"));
        store.apply(&started(&general)).await.unwrap();
        store.apply(&joined(&general, "alice", 1)).await.unwrap();
        store.apply(&super::contract::published(&general, "alice")).await.unwrap();
        let before = store.read(&general).await.unwrap().unwrap();
        assert!(before.is_whole_at(store.now().await.unwrap()));
        let mut feed = store.follow(&general).await.unwrap();
        let key = &server.keys(&format!("*without {part}:{part}")).await[0];
        server.ask(&["DEL", key]).await;

        let after = store.read(&general).await.unwrap().unwrap();
        assert!(!after.is_whole_at(store.now().await.unwrap()), "{part}");
        assert!(after.version() > before.version(), "{part}");
        let expected = if part == "participants" { 0 } else { 1 };
        assert_eq!(after.count(), expected, "{part}: what is left is shown");
        let told = within_deadline("the feed", feed.next()).await.unwrap();
        assert_eq!(told, FeedMessage::Gap, "{part}");

        // From there on it is a room like any other.
        let Applied::Changed(change) = store.apply(&joined(&general, "bob", 2)).await.unwrap()
        else {
            panic!("readers see bob");
        };
        assert_eq!(change.prev, after.version(), "{part}");
        let read = store.read(&general).await.unwrap().unwrap();
        assert_eq!(read.count(), expected + 1, "{part}");
        assert_eq!(read.version(), change.version, "{part}: nothing is mended twice");
    }
}

#[tokio::test]
async fn an_event_into_a_room_of_which_a_part_is_evicted_does_not_build_on_what_was_held() {
    let (store, server) = redis_store().await;
    let general = room("general");
    store.apply(&started(&general)).await.unwrap();
    store.apply(&joined(&general, "alice", 1)).await.unwrap();
    let before = store.read(&general).await.unwrap().unwrap();
    server.ask(&["DEL", &server.keys("*:participants").await[0]]).await;
    let Applied::Changed(change) = store.apply(&joined(&general, "bob", 2)).await.unwrap() else {
        panic!("readers see bob");
    };
    assert!(change.prev > before.version(), "a hole, so that everybody reads again");
    assert_eq!(store.read(&general).await.unwrap().unwrap().count(), 1);
}

#[tokio::test]
async fn a_version_that_was_seen_is_never_gone_below() {
    let (store, server) = redis_store().await;
    let general = room("general");
    store.apply(&joined(&general, "alice", 1)).await.unwrap();
    let seen = store.read(&general).await.unwrap().unwrap().version();
    store.lift(&general, seen).await.unwrap();
    assert_eq!(store.read(&general).await.unwrap().unwrap().version(), seen, "it is not below");
    server.ask(&["FLUSHALL"]).await;
    let mut feed = store.follow(&general).await.unwrap();
    store.lift(&general, seen).await.unwrap();
    let lifted = store.read(&general).await.unwrap().unwrap();
    assert!(lifted.version() > seen);
    assert!(lifted.is_torn());
    assert_eq!(within_deadline("the feed", feed.next()).await.unwrap(), FeedMessage::Gap);
}

#[tokio::test]
async fn a_bucket_is_subscribed_once_while_its_rooms_are_followed_and_for_a_moment_after() {
    let (store, server) = redis_store().await;
    let subscribed = async || server.ask(&["PUBSUB", "CHANNELS", "lkp:{b*"]).await.texts().len();
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

#[tokio::test]
async fn one_instance_at_a_time_holds_a_lease() {
    let server = RedisServer::start().await;
    let (_first_store, first) = server.store(Rules::default(), None);
    let (_second_store, second) = server.store(Rules::default(), None);
    let lease = Lease::Comparison(room("general"));
    let minute = Duration::from_secs(60);
    let held = first.lease(&lease, minute).await.unwrap().unwrap();
    assert_eq!(second.lease(&lease, minute).await.unwrap(), None);
    let other = second.lease(&Lease::Rooms, minute).await.unwrap().unwrap();
    second.release(&lease, other).await.unwrap();
    assert_eq!(second.lease(&lease, minute).await.unwrap(), None, "it was not its own");
    first.release(&lease, held).await.unwrap();
    assert!(second.lease(&lease, Duration::from_millis(1)).await.unwrap().is_some());
    eventually("it to end by itself", async || {
        first.lease(&lease, minute).await.unwrap().is_some()
    })
    .await;
}

#[tokio::test]
async fn all_instances_take_calls_from_the_same_buckets() {
    let server = RedisServer::start().await;
    let (_first_store, first) = server.store(Rules::default(), None);
    let (_second_store, second) = server.store(Rules::default(), None);
    let hour = Duration::from_hours(1);
    let reserve = Duration::ZERO;
    let all = CallBucket { name: "all", cost: hour, burst: hour * 3, reserve };
    let share = CallBucket { name: "share", cost: hour, burst: hour, reserve };
    assert!(first.take_call(&[all, share]).await.unwrap().is_zero());
    let wait = second.take_call(&[all, share]).await.unwrap();
    assert!(wait > Duration::from_mins(59) && wait <= hour, "the share is used up: {wait:?}");
    let frugal = CallBucket { reserve: hour * 2, ..all };
    let wait = second.take_call(&[frugal]).await.unwrap();
    assert!(wait > Duration::from_mins(59) && wait <= hour, "two are left to others: {wait:?}");
    assert!(second.take_call(&[all]).await.unwrap().is_zero(), "nothing of the whole was taken");
    assert!(first.take_call(&[all]).await.unwrap().is_zero());
    assert!(!second.take_call(&[all]).await.unwrap().is_zero());
}

#[tokio::test]
async fn instances_tell_each_other_for_how_long_rooms_have_to_wait() {
    let server = RedisServer::start().await;
    let (_first_store, first) = server.store(Rules::default(), None);
    let (_second_store, second) = server.store(Rules::default(), None);
    let (minute, second_long) = (Duration::from_mins(1), Duration::from_secs(1));
    assert_eq!(first.share_wait(minute, second_long).await.unwrap(), minute);
    assert_eq!(second.share_wait(Duration::ZERO, second_long).await.unwrap(), minute);
    assert_eq!(second.share_wait(minute * 2, second_long).await.unwrap(), minute * 2);
    eventually("it to be forgotten", async || {
        first.share_wait(Duration::ZERO, second_long).await.unwrap().is_zero()
    })
    .await;
}

#[tokio::test]
async fn what_one_instance_was_told_of_livekits_rooms_all_know() {
    let server = RedisServer::start().await;
    let (store, first) = server.store(Rules::default(), None);
    let (_second_store, second) = server.store(Rules::default(), None);
    assert_eq!(second.shared_rooms().await.unwrap(), None);
    let rooms = SharedRooms {
        asked_at: store.now().await.unwrap(),
        names: vec![room("general"), room("Zimmer 7: 🚪")],
    };
    first.share_rooms(&rooms, Duration::from_secs(60)).await.unwrap();
    assert_eq!(second.shared_rooms().await.unwrap(), Some(rooms));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_too_big_to_be_sent_is_read_instead() {
    let (store, _server) = redis_store().await;
    let general = room("general");
    let mut feed = store.follow(&general).await.unwrap();
    let mut event = joined(&general, "alice", 1);
    super::contract::give_metadata(&mut event, &"x".repeat(300_000));
    store.apply(&event).await.unwrap();
    assert_eq!(within_deadline("the feed", feed.next()).await.unwrap(), FeedMessage::Gap);
    assert_eq!(store.read(&general).await.unwrap().unwrap().count(), 1);
}
