//! The outbox in Redis: what it costs, and what becomes of it when an instance dies, an answer is lost, or Redis fails.

use std::sync::Arc;

use livekit_presence::{
    clock::Clock,
    presence::{Applied, Rules},
    store::{Outbox, RedisStore, Store, StoreError},
};

use crate::harness::{
    RedisCluster, RedisServer, eventually, store_keeping_history, within_deadline,
};

use super::{
    events::next,
    outbox::{SETTINGS, all, items, told},
    webhooks::{joined, left, room, started},
};

type SharedOutbox = Arc<dyn Outbox>;

/// An instance, and its outbox.
fn instance(server: &RedisServer) -> (RedisStore, SharedOutbox) {
    instance_at(&server.url())
}

fn instance_at(url: &str) -> (RedisStore, SharedOutbox) {
    let store = store_keeping_history(url, SETTINGS);
    let outbox = store.outbox().expect("history is kept");
    (store, outbox)
}

/// How often Redis was given each command since it was last asked to count anew.
async fn calls(server: &RedisServer) -> impl Fn(&str) -> u64 + use<> {
    let stats = server.ask(&["INFO", "commandstats"]).await.text();
    move |command: &str| {
        let prefix = format!("cmdstat_{command}:calls=");
        let line = stats.lines().find_map(|line| line.strip_prefix(prefix.as_str()));
        line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
    }
}

#[tokio::test]
async fn without_a_history_nothing_is_written_for_it() {
    let server = RedisServer::start().await;
    let store = server.store(Rules::default(), None).0;
    assert!(store.outbox().is_none());
    store.apply(&started(&room("general"))).await.unwrap();
    server.ask(&["CONFIG", "RESETSTAT"]).await;
    for number in 0..20 {
        store.apply(&joined(&room("general"), &format!("user-{number}"), 1)).await.unwrap();
    }
    let calls = calls(&server).await;
    assert_eq!((calls("evalsha"), calls("xlen"), calls("xadd"), calls("expire")), (20, 0, 0, 0));
    assert_eq!(server.keys("lkp:history:*").await, [""; 0]);
}

#[tokio::test]
async fn an_item_is_written_with_its_step_and_taken_off_with_one_call_and_never_read() {
    let server = RedisServer::start().await;
    let (store, outbox) = instance(&server);
    store.apply(&started(&room("general"))).await.unwrap();
    outbox.done(&outbox.pending(10).await.unwrap()).await.unwrap();
    server.ask(&["CONFIG", "RESETSTAT"]).await;
    for number in 0..20 {
        store.apply(&joined(&room("general"), &format!("user-{number}"), 1)).await.unwrap();
        // Every other time two items go together.
        if number % 2 == 1 {
            let pending = outbox.pending(10).await.unwrap();
            assert_eq!(pending.len(), 2);
            outbox.done(&pending).await.unwrap();
        }
    }
    let calls = calls(&server).await;
    assert_eq!((calls("evalsha"), calls("xadd"), calls("xrange")), (30, 20, 0));
    assert_eq!((calls("xdel"), calls("del"), calls("expire")), (10, 10, 10));
    assert_eq!(server.keys("lkp:history:*").await, [""; 0]);
}

#[tokio::test]
async fn what_an_instance_left_that_was_killed_is_found_by_another_one() {
    let server = RedisServer::start().await;
    let (killed, _) = instance(&server);
    let (_store, outbox) = instance(&server);
    for name in ["general", "Zimmer 7: 🚪"] {
        killed.apply(&joined(&room(name), "alice", 1)).await.unwrap();
        killed.apply(&left(&room(name), "alice")).await.unwrap();
    }
    drop(killed);
    assert_eq!(all(&outbox).await, [], "nobody told it");
    let left_behind = outbox.left_behind(100).await.unwrap();
    let expected = ["shown PA_alice", "left PA_alice", "shown PA_alice", "left PA_alice"];
    assert_eq!(told(&items(left_behind.clone())), expected);
    assert_eq!(outbox.counts().waiting, 4);
    outbox.done(&left_behind).await.unwrap();
    assert_eq!(outbox.left_behind(100).await.unwrap(), []);
    assert_eq!(server.keys("lkp:history:*").await, [""; 0]);
}

#[tokio::test]
async fn more_than_one_reading_was_left_behind_and_all_of_it_comes() {
    let server = RedisServer::start().await;
    let (killed, _) = instance(&server);
    let (_store, outbox) = instance(&server);
    for number in 0..60 {
        let name = room(&format!("room-{}", number % 30));
        killed.apply(&joined(&name, &format!("user-{number}"), 1)).await.unwrap();
    }
    let mut pending = outbox.left_behind(7).await.unwrap();
    let mut count = 0;
    while !pending.is_empty() {
        assert!(pending.len() <= 7, "{}", pending.len());
        count += pending.len();
        outbox.done(&pending).await.unwrap();
        pending = outbox.pending(7).await.unwrap();
    }
    assert_eq!(count, 60, "without another look at all outboxes");
    assert_eq!(server.keys("lkp:history:*").await, [""; 0]);
}

#[tokio::test]
async fn what_two_instances_write_of_a_room_comes_in_its_order_from_each_of_them() {
    let server = RedisServer::start().await;
    let instances = [instance(&server), instance(&server)];
    for number in 0..10 {
        let (store, _) = &instances[number % 3 % 2];
        store.apply(&joined(&room("general"), &format!("user-{number}"), 1)).await.unwrap();
    }
    let expected: Vec<_> = (0..10).map(|number| format!("shown PA_user-{number}")).collect();
    // Each knows of others' items up to the last of its own.
    for ((_, outbox), count) in instances.iter().zip([10, 8]) {
        assert_eq!(told(&all(outbox).await), expected[..count]);
    }
    let (_, outbox) = &instances[0];
    outbox.done(&outbox.pending(10).await.unwrap()).await.unwrap();
    let (store, second) = &instances[1];
    store.apply(&joined(&room("general"), "last", 1)).await.unwrap();
    assert_eq!(told(&all(second).await).last().unwrap(), "shown PA_last");
}

#[tokio::test]
async fn an_item_whose_commit_was_answered_too_late_is_read() {
    let server = RedisServer::start().await;
    let (store, outbox) = instance(&server);
    store.apply(&started(&room("general"))).await.unwrap();
    outbox.done(&outbox.pending(10).await.unwrap()).await.unwrap();
    server.pause();
    let join = joined(&room("general"), "alice", 1);
    let late = store.apply(&join).await.unwrap_err();
    assert!(matches!(late, StoreError::TimedOut(_)), "{late:?}");
    server.resume();
    within_deadline("it to be added", outbox.added()).await;
    eventually("what was sent to be there", async || {
        outbox.pending(10).await.is_ok_and(|pending| told(&items(pending)) == ["shown PA_alice"])
    })
    .await;
}

#[tokio::test]
async fn a_webhook_that_comes_again_brings_what_its_first_attempt_left() {
    let server = RedisServer::start().await;
    let (killed, _) = instance(&server);
    let (store, outbox) = instance(&server);
    let join = joined(&room("general"), "alice", 1);
    killed.apply(&join).await.unwrap();
    drop(killed);
    assert_eq!(store.apply(&join).await.unwrap(), Applied::Duplicate);
    assert_eq!(told(&all(&outbox).await), ["shown PA_alice"], "without a look at all outboxes");
}

#[tokio::test]
async fn a_full_redis_takes_neither_the_step_nor_its_item() {
    let server = RedisServer::start().await;
    let (store, outbox) = instance(&server);
    let join = joined(&room("general"), "alice", 1);
    let mut feed = None;
    for _ in ["without the log of events", "with it"] {
        server.ask(&["CONFIG", "SET", "maxmemory", "1"]).await;
        let refused = store.apply(&join).await.unwrap_err();
        assert!(matches!(refused, StoreError::Refused(_)), "{refused:?}");
        assert!(refused.to_string().contains("maxmemory"), "{refused}");
        for pattern in ["lkp:room:*", "lkp:history:*", "lkp:outbox:*"] {
            assert_eq!(server.keys(pattern).await, [""; 0]);
        }
        server.ask(&["CONFIG", "SET", "maxmemory", "0"]).await;
        feed = Some(store.follow_events().await.unwrap());
    }
    drop(feed);
    assert!(matches!(store.apply(&join).await.unwrap(), Applied::Changed(_)));
    assert_eq!(told(&all(&outbox).await), ["shown PA_alice"]);
}

#[tokio::test]
async fn a_redis_without_streams_takes_no_steps_and_says_what_it_lacks() {
    let server = RedisServer::with(&["--rename-command", "XADD", ""]).await;
    let (store, _) = instance(&server);
    let refused = store.apply(&joined(&room("general"), "alice", 1)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Refused(_)), "{refused:?}");
    assert!(refused.to_string().contains("XADD"), "{refused}");
    assert_eq!(server.keys("lkp:*").await, [""; 0]);
}

#[tokio::test]
async fn redis_that_starts_again_with_its_data_has_what_lay_there() {
    let mut server = RedisServer::keeping_data().await;
    let (store, outbox) = instance(&server);
    store.apply(&joined(&room("general"), "alice", 1)).await.unwrap();
    store.apply(&joined(&room("lobby"), "bob", 1)).await.unwrap();
    server.kill().await;
    let pending = outbox.pending(10).await.unwrap();
    assert_eq!(pending.len(), 2, "this instance knows them");
    outbox.done(&pending).await.unwrap_err();
    server.start_again().await;
    let (_other_store, other) = instance(&server);
    eventually("another instance to find them", async || {
        other.left_behind(10).await.is_ok_and(|pending| pending.len() == 2)
    })
    .await;
    eventually("the outbox to be emptied", async || outbox.done(&pending).await.is_ok()).await;
    assert_eq!(all(&outbox).await, []);
    store.apply(&left(&room("general"), "alice")).await.unwrap();
    assert_eq!(told(&all(&outbox).await), ["left PA_alice"]);
}

#[tokio::test]
async fn an_item_that_this_release_cannot_read_stays_for_others_and_comes_once() {
    let server = RedisServer::start().await;
    let (store, outbox) = instance(&server);
    store.apply(&joined(&room("general"), "alice", 1)).await.unwrap();
    let key = &server.keys("lkp:history:*").await[0];
    server.ask(&["XADD", key, "*", "h", r#"{"room":"general","moon":true}"#]).await;
    store.apply(&left(&room("general"), "alice")).await.unwrap();
    let pending = outbox.pending(10).await.unwrap();
    let readable: Vec<_> = pending.iter().map(|one| one.item.is_some()).collect();
    assert_eq!(readable, [true, false, true]);
    let (readable, later): (Vec<_>, Vec<_>) =
        pending.into_iter().partition(|one| one.item.is_some());
    outbox.leave(&later).await.unwrap();
    outbox.done(&readable).await.unwrap();
    let lies_there = async || server.ask(&["XLEN", key]).await.text();
    assert_eq!((all(&outbox).await, outbox.counts().waiting), (vec![], 0));
    for _ in 0..3 {
        assert_eq!(outbox.left_behind(10).await.unwrap(), []);
    }
    store.apply(&joined(&room("general"), "bob", 1)).await.unwrap();
    let pending = outbox.pending(10).await.unwrap();
    assert_eq!(told(&items(pending.clone())), ["shown PA_bob"]);
    outbox.done(&pending).await.unwrap();
    assert_eq!(lies_there().await, "1");
    // Another instance, which can read it.
    let (_store, other) = instance(&server);
    other.done(&other.left_behind(10).await.unwrap()).await.unwrap();
    assert_eq!(server.keys("lkp:history:*").await, [""; 0]);
}

#[tokio::test]
async fn an_outbox_that_nobody_empties_ends_a_month_after_its_last_item() {
    let server = RedisServer::start().await;
    let (store, _) = instance(&server);
    store.apply(&joined(&room("general"), "alice", 1)).await.unwrap();
    let key = &server.keys("lkp:history:*").await[0];
    let a_month = 2_591_990..=2_592_000;
    let secs = async || server.ask(&["TTL", key]).await.text().parse::<i64>().unwrap();
    assert!(a_month.contains(&secs().await));
    // As if the first had come more than a minute before the next one.
    let micros = Clock::system().now().as_millis() * 1_000 - 61_000_000;
    server.ask(&["DEL", key]).await;
    server.ask(&["XADD", key, &format!("{micros}-0"), "h", "{}"]).await;
    server.ask(&["EXPIRE", key, "60"]).await;
    store.apply(&left(&room("general"), "alice")).await.unwrap();
    assert!(a_month.contains(&secs().await));
}

#[tokio::test]
async fn no_id_comes_twice_also_after_the_outbox_was_empty() {
    let server = RedisServer::start().await;
    let (store, outbox) = instance(&server);
    let mut ids = Vec::new();
    for number in 0..20 {
        store.apply(&joined(&room("general"), &format!("user-{number}"), 1)).await.unwrap();
        if number % 3 == 0 {
            let pending = outbox.pending(10).await.unwrap();
            outbox.done(&pending).await.unwrap();
            ids.extend(pending.into_iter().map(|one| one.id));
        }
    }
    assert_eq!(ids.len(), 19);
    assert!(ids.is_sorted_by(|one, next| one.id < next.id), "{ids:?}");
    assert!(ids[0].id.split('-').next().unwrap().len() == 16, "microseconds: {:?}", ids[0]);
}

#[tokio::test]
async fn a_stream_that_was_emptied_by_hand_takes_further_items() {
    let server = RedisServer::start().await;
    let (store, outbox) = instance(&server);
    store.apply(&joined(&room("general"), "alice", 1)).await.unwrap();
    let key = &server.keys("lkp:history:*").await[0];
    server.ask(&["XADD", key, "99999999999999999-0", "h", "{}"]).await;
    server.ask(&["XTRIM", key, "MAXLEN", "0"]).await;
    for event in [joined(&room("general"), "bob", 1), left(&room("general"), "bob")] {
        store.apply(&event).await.unwrap();
    }
    assert_eq!(told(&all(&outbox).await), ["shown PA_bob", "left PA_bob"]);
}

#[tokio::test]
async fn a_step_is_told_to_the_log_of_events_and_to_the_history() {
    let server = RedisServer::start().await;
    let (store, outbox) = instance(&server);
    let mut feed = store.follow_events().await.unwrap();
    for event in [joined(&room("general"), "alice", 1), left(&room("general"), "alice")] {
        store.apply(&event).await.unwrap();
    }
    let names: Vec<_> = next(&mut feed, 2).await.iter().map(|one| one.event.name.clone()).collect();
    assert_eq!(names, ["participant_joined", "participant_left"]);
    assert_eq!(told(&all(&outbox).await), ["shown PA_alice", "left PA_alice"]);
}

#[tokio::test]
async fn on_a_cluster_what_lies_on_all_nodes_is_found_and_taken_off() {
    let cluster = RedisCluster::start().await;
    let (killed, _) = instance_at(&cluster.url());
    let rooms: Vec<_> = (0..12).map(|number| room(&format!("room-{number}"))).collect();
    for room in &rooms {
        killed.apply(&joined(room, "alice", 1)).await.unwrap();
        killed.apply(&left(room, "alice")).await.unwrap();
    }
    drop(killed);
    let (_store, outbox) = instance_at(&cluster.url());
    let left_behind = outbox.left_behind(100).await.unwrap();
    for name in &rooms {
        let of_room = left_behind.iter().filter_map(|one| one.item.clone());
        let of_room: Vec<_> = of_room.filter(|item| item.room == *name).collect();
        assert_eq!(told(&of_room), ["shown PA_alice", "left PA_alice"], "{name}");
    }
    outbox.done(&left_behind).await.unwrap();
    assert_eq!(outbox.left_behind(100).await.unwrap(), []);
}
