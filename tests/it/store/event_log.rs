//! The log of events in Redis: instances that die, connections that break, keys that are lost, and commands that are refused.

use std::sync::Arc;

use livekit_presence::{
    presence::{Applied, Rules},
    redis_client::RedisAddress,
    store::{
        EventFeed, EventFeedMessage, EventLogSettings, RedisMetrics, RedisSettings, RedisStore,
        Store, StoreError,
    },
};

use crate::harness::{
    CommandFilter, RedisCluster, RedisServer, eventually, url_of, within_deadline,
};

use super::{
    events::{Fold, egress, next, nothing_more, sid},
    webhooks::{joined, left, room, started},
};

type Shared = Arc<dyn Store>;

fn instance(server: &RedisServer) -> Shared {
    Arc::new(server.store(Rules::default(), None).0)
}

fn instance_at(url: &str) -> Shared {
    let settings = RedisSettings {
        address: RedisAddress::parse(url).unwrap(),
        key_prefix: "lkp:".to_owned(),
        events: EventLogSettings::default(),
        history: None,
        clock: None,
    };
    Arc::new(RedisStore::start(&settings, Rules::default(), RedisMetrics::default()).0)
}

/// An instance whose connection is closed when it moves something from an outbox into the log.
async fn dies_before_the_relay(server: &RedisServer) -> (Shared, CommandFilter) {
    let script = redis::Script::new(include_str!("../../../src/store/redis/relay.lua"));
    let hash: &'static str = Box::leak(script.get_hash().to_owned().into_boxed_str());
    let filter = CommandFilter::start(server.port, hash).await;
    (instance_at(&url_of(filter.port)), filter)
}

/// Waits until the feed says that something is lost. Events may come before.
async fn until_gap(feed: &mut EventFeed) {
    let gap = async { while !matches!(feed.next().await, EventFeedMessage::Gap) {} };
    within_deadline("a gap", gap).await;
}

#[tokio::test]
async fn an_event_reaches_the_followers_of_all_instances_whoever_takes_it() {
    let server = RedisServer::start().await;
    let (first, second) = (instance(&server), instance(&server));
    let (mut here, mut there) =
        (first.follow_events().await.unwrap(), second.follow_events().await.unwrap());
    let general = room("general");
    for (store, person) in [(&first, "alice"), (&second, "bob"), (&first, "carol")] {
        store.apply(&joined(&general, person, 1)).await.unwrap();
    }
    for feed in [&mut here, &mut there] {
        let sids: Vec<_> = next(feed, 3).await.iter().map(sid).collect();
        assert_eq!(sids, ["PA_alice", "PA_bob", "PA_carol"]);
    }
}

#[tokio::test]
async fn an_instance_that_never_heard_of_a_follower_logs_what_it_takes() {
    let server = RedisServer::start().await;
    let (follows, takes) = (instance(&server), instance(&server));
    takes.apply(&started(&room("general"))).await.unwrap();
    let mut feed = follows.follow_events().await.unwrap();
    takes.apply(&joined(&room("general"), "alice", 1)).await.unwrap();
    assert_eq!(sid(&next(&mut feed, 1).await[0]), "PA_alice");
}

#[tokio::test]
async fn what_an_instance_took_and_could_not_bring_into_the_log_is_logged_once_later() {
    let server = RedisServer::start().await;
    let follows = instance(&server);
    let (dies, _filter) = dies_before_the_relay(&server).await;
    let mut feed = follows.follow_events().await.unwrap();
    let join = joined(&room("general"), "alice", 1);
    assert!(matches!(dies.apply(&join).await.unwrap(), Applied::Changed(_)));
    assert_eq!(dies.apply(&join).await.unwrap(), Applied::Duplicate);
    assert_eq!(follows.apply(&join).await.unwrap(), Applied::Duplicate);
    assert_eq!(sid(&next(&mut feed, 1).await[0]), "PA_alice");
    follows.apply(&join).await.unwrap();
    nothing_more(&follows, &mut feed).await;
}

#[tokio::test]
async fn a_later_event_of_the_room_does_not_overtake_what_lies_in_the_outbox() {
    let server = RedisServer::start().await;
    let follows = instance(&server);
    let (dies, _filter) = dies_before_the_relay(&server).await;
    let mut feed = follows.follow_events().await.unwrap();
    dies.apply(&joined(&room("general"), "alice", 1)).await.unwrap();
    follows.apply(&left(&room("general"), "alice")).await.unwrap();
    let names: Vec<_> = next(&mut feed, 2).await.iter().map(|one| one.event.name.clone()).collect();
    assert_eq!(names, ["participant_joined", "participant_left"]);
}

#[tokio::test]
async fn what_a_dead_instance_left_in_the_outbox_is_found_by_another_one() {
    let server = RedisServer::start().await;
    let follows = instance(&server);
    let (dies, _filter) = dies_before_the_relay(&server).await;
    let mut feed = follows.follow_events().await.unwrap();
    dies.apply(&joined(&room("general"), "alice", 1)).await.unwrap();
    drop(dies);
    assert_eq!(sid(&next(&mut feed, 1).await[0]), "PA_alice");
    eventually("the outbox to be empty", async || {
        let outboxes = server.keys("lkp:outbox:*").await;
        server.ask(&["XLEN", &outboxes[0]]).await.text() == "0"
    })
    .await;
    nothing_more(&follows, &mut feed).await;
}

#[tokio::test]
async fn a_subscription_that_was_cut_is_filled_from_the_log() {
    let server = RedisServer::start().await;
    let (follows, takes) = (instance(&server), instance(&server));
    let mut feed = follows.follow_events().await.unwrap();
    for number in 0..30 {
        if number % 10 == 5 {
            server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        }
        takes.apply(&joined(&room("general"), &format!("user-{number:02}"), number)).await.unwrap();
    }
    let sids: Vec<_> = next(&mut feed, 30).await.iter().map(sid).collect();
    let expected: Vec<_> = (0..30).map(|number| format!("PA_user-{number:02}")).collect();
    assert_eq!(sids, expected);
}

#[tokio::test]
async fn a_log_that_redis_lost_is_a_gap_and_positions_from_before_are_too() {
    let server = RedisServer::start().await;
    let store = instance(&server);
    let mut feed = store.follow_events().await.unwrap();
    store.apply(&joined(&room("general"), "alice", 1)).await.unwrap();
    let before = next(&mut feed, 1).await[0].id;
    server.ask(&["FLUSHALL"]).await;
    assert!(store.events_after(before, 10).await.unwrap().is_gap);
    store.apply(&joined(&room("general"), "bob", 2)).await.unwrap();
    until_gap(&mut feed).await;
    assert!(store.events_after(before, 10).await.unwrap().is_gap);
    store.apply(&joined(&room("general"), "carol", 3)).await.unwrap();
    let after = next(&mut feed, 1).await;
    assert_eq!(sid(&after[0]), "PA_carol");
    assert!(after[0].id > before);
}

#[tokio::test]
async fn a_log_that_ended_and_starts_again_has_a_gap() {
    let server = RedisServer::start().await;
    let store = instance(&server);
    let feed = store.follow_events().await.unwrap();
    let position = feed.position();
    drop(feed);
    // As after `events.keep`.
    for key in server.keys("lkp:log:on:*").await {
        server.ask(&["DEL", &key]).await;
    }
    store.apply(&joined(&room("general"), "alice", 1)).await.unwrap();
    let mut feed = store.follow_events().await.unwrap();
    assert!(store.events_after(position, 10).await.unwrap().is_gap);
    store.apply(&joined(&room("general"), "bob", 2)).await.unwrap();
    assert_eq!(sid(&next(&mut feed, 1).await[0]), "PA_bob");
}

#[tokio::test]
async fn a_follower_that_fails_before_the_gap_leaves_it_to_the_next_one() {
    let server = RedisServer::start().await;
    let store = instance(&server);
    let position = store.follow_events().await.unwrap().position();
    for key in server.keys("lkp:log:on:*").await {
        server.ask(&["DEL", &key]).await;
    }
    store.apply(&joined(&room("general"), "alice", 1)).await.unwrap();
    let (dies, _filter) = dies_before_the_relay(&server).await;
    dies.follow_events().await.err().expect("it dies");
    let _feed = store.follow_events().await.unwrap();
    assert!(store.events_after(position, 10).await.unwrap().is_gap);
}

#[tokio::test]
async fn events_of_no_room_that_were_not_logged_are_a_gap_too() {
    let server = RedisServer::start().await;
    let store = instance(&server);
    let position = store.follow_events().await.unwrap().position();
    server.ask(&["DEL", "lkp:{shared}:log:on"]).await;
    store.log_event(egress("EV_1")).await.unwrap();
    let _feed = store.follow_events().await.unwrap();
    assert!(store.events_after(position, 10).await.unwrap().is_gap);
}

#[tokio::test]
async fn the_log_outlives_a_day_without_events_while_it_is_followed() {
    let server = RedisServer::start().await;
    let store = instance(&server);
    let _feed = store.follow_events().await.unwrap();
    server.ask(&["EXPIRE", "lkp:{shared}:log:state", "600"]).await;
    eventually("its state to be renewed", async || {
        let secs = server.ask(&["TTL", "lkp:{shared}:log:state"]).await.text();
        secs.parse::<i64>().unwrap() > 80_000
    })
    .await;
}

#[tokio::test]
async fn a_room_that_redis_lost_is_a_gap() {
    let server = RedisServer::start().await;
    let store = instance(&server);
    let mut feed = store.follow_events().await.unwrap();
    store.apply(&joined(&room("general"), "alice", 1)).await.unwrap();
    next(&mut feed, 1).await;
    server.ask(&["DEL", &server.keys("lkp:room:*").await[0]]).await;
    store.apply(&joined(&room("general"), "bob", 2)).await.unwrap();
    until_gap(&mut feed).await;
    assert_eq!(sid(&next(&mut feed, 1).await[0]), "PA_bob");
}

#[tokio::test]
async fn everything_that_the_log_keeps_in_redis_ends_by_itself() {
    let server = RedisServer::start().await;
    let store = instance(&server);
    let mut feed = store.follow_events().await.unwrap();
    store.apply(&joined(&room("general"), "alice", 1)).await.unwrap();
    store.log_event(egress("EV_1")).await.unwrap();
    next(&mut feed, 2).await;
    let keys = server.keys("lkp:*").await;
    assert!(keys.len() > 1_024, "each bucket has a key");
    for key in keys {
        let secs: i64 = server.ask(&["TTL", &key]).await.text().parse().unwrap();
        assert!((1..=86_400).contains(&secs), "{key}: {secs}");
    }
}

#[tokio::test]
async fn a_redis_without_streams_refuses_followers_and_takes_events() {
    let server = RedisServer::with(&["--rename-command", "XADD", ""]).await;
    let store = instance(&server);
    let refused = store.follow_events().await.err().expect("it is refused");
    assert!(matches!(refused, StoreError::Refused(_)), "{refused:?}");
    assert!(refused.to_string().contains("XADD"), "{refused}");
    for event in [started(&room("general")), joined(&room("general"), "alice", 1)] {
        store.apply(&event).await.unwrap();
    }
    store.log_event(egress("EV_1")).await.unwrap();
    assert_eq!(store.read(&room("general")).await.unwrap().unwrap().count(), 1);
}

#[tokio::test]
async fn a_redis_that_takes_no_writes_for_now_refuses_an_event_of_no_room_until_it_is_logged() {
    let server = RedisServer::start().await;
    let store = instance(&server);
    let mut feed = store.follow_events().await.unwrap();
    for (setting, away, again) in [("maxmemory", "1", "0"), ("min-replicas-to-write", "1", "0")] {
        server.ask(&["CONFIG", "SET", setting, away]).await;
        let refused = store.log_event(egress(setting)).await.unwrap_err();
        assert!(matches!(refused, StoreError::Refused(_)), "{setting}: {refused:?}");
        server.ask(&["CONFIG", "SET", setting, again]).await;
        store.log_event(egress(setting)).await.unwrap();
        assert_eq!(next(&mut feed, 1).await[0].event.id, setting);
    }
}

#[tokio::test]
async fn an_outbox_that_redis_does_not_empty_is_read_to_its_end() {
    let server = RedisServer::start().await;
    let store = instance(&server);
    let mut feed = store.follow_events().await.unwrap();
    server.ask(&["ACL", "SETUSER", "default", "-xdel"]).await;
    let count = 130;
    for number in 0..count {
        let join = joined(&room("general"), &format!("user-{number}"), 1);
        within_deadline("an answer", store.apply(&join)).await.unwrap();
    }
    next(&mut feed, count).await;
    nothing_more(&store, &mut feed).await;
}

#[tokio::test]
async fn a_right_that_is_taken_away_loses_events_and_says_so_and_no_room() {
    let server = RedisServer::start().await;
    let store = instance(&server);
    let mut feed = store.follow_events().await.unwrap();
    server.ask(&["ACL", "SETUSER", "default", "-xadd"]).await;
    store.apply(&joined(&room("general"), "alice", 1)).await.unwrap();
    assert_eq!(store.read(&room("general")).await.unwrap().unwrap().count(), 1);
    until_gap(&mut feed).await;
}

#[tokio::test]
async fn on_a_cluster_rooms_of_all_nodes_go_into_one_log() {
    let cluster = RedisCluster::start().await;
    let (follows, takes) = (instance_at(&cluster.url()), instance_at(&cluster.url()));
    let mut feed = follows.follow_events().await.unwrap();
    let rooms: Vec<_> = (0..12).map(|number| room(&format!("room-{number}"))).collect();
    for room in &rooms {
        takes.apply(&joined(room, "alice", 1)).await.unwrap();
        takes.apply(&joined(room, "bob", 2)).await.unwrap();
        takes.apply(&left(room, "alice")).await.unwrap();
    }
    let mut fold = Fold::default();
    next(&mut feed, 36).await.iter().for_each(|logged| fold.take(logged));
    for room in &rooms {
        let inside: Vec<_> = fold.inside(room).iter().map(ToString::to_string).collect();
        assert_eq!(inside, ["PA_bob"]);
    }
    let resumed = takes.events_after(feed.position(), 10).await.unwrap();
    assert!(!resumed.is_gap && resumed.events.is_empty());
}

/// Nobody follows: the commit asks once, and nothing else is done. Somebody follows: two more commands.
#[tokio::test]
async fn an_event_costs_one_look_without_followers_and_two_commands_with_them() {
    let server = RedisServer::start().await;
    let store = instance(&server);
    let general = room("general");
    store.apply(&started(&general)).await.unwrap();
    let calls = async |count: i64| {
        server.ask(&["CONFIG", "RESETSTAT"]).await;
        for number in 0..count {
            store
                .apply(&joined(&general, &format!("user-{count}-{number}"), number))
                .await
                .unwrap();
        }
        let stats = server.ask(&["INFO", "commandstats"]).await.text();
        move |command: &str| {
            let prefix = format!("cmdstat_{command}:calls=");
            let line = stats.lines().find_map(|line| line.strip_prefix(prefix.as_str()));
            line.map_or(0, |line| line.split(',').next().unwrap().parse::<i64>().unwrap())
        }
    };
    let off = calls(20).await;
    assert_eq!((off("evalsha"), off("exists"), off("xadd"), off("xdel")), (20, 20, 0, 0));
    let mut feed = store.follow_events().await.unwrap();
    let on = calls(30).await;
    assert_eq!((on("evalsha"), on("exists"), on("xdel"), on("xrange")), (60, 30, 30, 0));
    assert_eq!(on("xadd"), 60, "the outbox and the log");
    next(&mut feed, 30).await;
}
