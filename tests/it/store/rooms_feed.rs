//! The list of rooms as its followers see it. Every store keeps this contract, with two instances where it has several.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::FutureExt;
use livekit_presence::{
    clock::Clock,
    presence::{RoomName, Rules},
    redis_client::RedisAddress,
    store::{
        EventLogSettings, FeedMessage, MemoryStore, RedisMetrics, RedisSettings, RedisStore,
        RoomSummary, RoomsFeed, Store,
    },
};

use crate::harness::{RedisCluster, RedisServer, eventually, within_deadline};

use super::webhooks::{finished, joined, left, room, started};

macro_rules! suite {
    ($name:ident, $stores:expr) => {
        mod $name {
            use crate::store::rooms_feed;

            rooms_feed::suite!(@tests $stores;
                every_room_that_is_listed_differently_is_named
                summaries_are_what_the_list_says_at_once
                a_change_of_the_list_alone_is_nothing_to_followers_of_the_room
                word_of_a_roster_reaches_the_followers_of_its_room_and_nobody_else
                folding_what_a_follower_hears_gives_the_list
            );
        }
    };
    (@tests $stores:expr; $($test:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let (stores, _server) = $stores.await;
                rooms_feed::$test(stores).await;
            }
        )+
    };
}
use suite;

/// The store of an instance that writes, and that of one that follows.
struct Stores {
    writes: Arc<dyn Store>,
    follows: Arc<dyn Store>,
}

suite!(memory, super::memory());
suite!(redis, super::redis());
suite!(cluster, super::cluster());

#[expect(clippy::unused_async, reason = "the contract awaits how a store is made")]
async fn memory() -> (Stores, ()) {
    let store = Arc::new(MemoryStore::new(Rules::default(), Clock::system()));
    (Stores { writes: Arc::clone(&store) as Arc<dyn Store>, follows: store }, ())
}

async fn redis() -> (Stores, RedisServer) {
    let server = RedisServer::start().await;
    let store = || Arc::new(server.store(Rules::default(), None).0);
    (Stores { writes: store(), follows: store() }, server)
}

async fn cluster() -> (Stores, RedisCluster) {
    let cluster = RedisCluster::start().await;
    let settings = RedisSettings {
        address: RedisAddress::parse(&cluster.url()).unwrap(),
        key_prefix: "lkp:".to_owned(),
        history: None,
        clock: None,
        events: EventLogSettings::default(),
    };
    let store =
        || Arc::new(RedisStore::start(&settings, Rules::default(), RedisMetrics::default()).0);
    (Stores { writes: store(), follows: store() }, cluster)
}

async fn every_room_that_is_listed_differently_is_named(Stores { writes, follows }: Stores) {
    let (general, empty) = (room("general"), room("empty"));
    let mut feed = follows.follow_rooms().await.unwrap();
    let steps = [
        (joined(&general, "alice", 1), Some(1)),
        (joined(&general, "bob", 2), Some(2)),
        // Nobody in the room sees these.
        (started(&empty), Some(0)),
        (finished(&empty), None),
        (started(&empty), Some(0)),
        (left(&general, "alice"), Some(1)),
        (left(&general, "bob"), None),
    ];
    for (event, count) in steps {
        writes.apply(&event).await.unwrap();
        is_named(&mut feed, &event.room).await;
        let listed = follows.summaries(std::slice::from_ref(&event.room)).await.unwrap();
        let counts: Vec<_> = listed.iter().map(RoomSummary::count).collect();
        assert_eq!(counts, Vec::from_iter(count), "after {event:?}");
    }
    writes.apply(&started(&empty)).await.unwrap();
    writes.apply(&started(&room("another"))).await.unwrap();
    let touched = within_deadline("the other room", feed.next()).await.unwrap();
    assert_eq!(
        touched.rooms.into_iter().collect::<Vec<_>>(),
        [room("another")],
        "no more than that"
    );
}

async fn summaries_are_what_the_list_says_at_once(Stores { writes, follows }: Stores) {
    assert_eq!(follows.rooms().await.unwrap(), []);
    let (general, music) = (room("general"), room("music"));
    writes.apply(&started(&general)).await.unwrap();
    writes.apply(&joined(&general, "alice", 1)).await.unwrap();
    writes.apply(&started(&music)).await.unwrap();
    writes.apply(&started(&room("closed"))).await.unwrap();
    writes.apply(&finished(&room("closed"))).await.unwrap();
    let anew = sorted(follows.rooms_anew().await.unwrap());
    assert_eq!(names(&anew), ["general", "music"]);
    let all = [music.clone(), room("closed"), general, room("nowhere")];
    assert_eq!(sorted(follows.summaries(&all).await.unwrap()), anew);
    assert_eq!(follows.summaries(&[]).await.unwrap(), []);
    writes.apply(&finished(&music)).await.unwrap();
    assert_eq!(names(&follows.rooms_anew().await.unwrap()), ["general"]);
}

async fn a_change_of_the_list_alone_is_nothing_to_followers_of_the_room(
    Stores { writes, follows }: Stores,
) {
    let general = room("general");
    writes.apply(&started(&general)).await.unwrap();
    let mut of_the_room = follows.follow(&general).await.unwrap();
    let mut of_all = follows.follow_rooms().await.unwrap();
    writes.apply(&finished(&general)).await.unwrap();
    is_named(&mut of_all, &general).await;
    assert!(of_the_room.next().now_or_never().is_none(), "nobody came or went");
    writes.apply(&joined(&general, "alice", 1)).await.unwrap();
    let message = within_deadline("the change", of_the_room.next()).await.unwrap();
    assert!(matches!(message, FeedMessage::Changed(_)), "{message:?}");
}

async fn word_of_a_roster_reaches_the_followers_of_its_room_and_nobody_else(
    Stores { writes, follows }: Stores,
) {
    let (general, other) = (room("general"), room("other"));
    let mut of_the_room = follows.follow(&general).await.unwrap();
    let mut of_another = follows.follow(&other).await.unwrap();
    let mut of_all = follows.follow_rooms().await.unwrap();
    writes.tell_roster(&general).await.unwrap();
    let message = within_deadline("the word", of_the_room.next()).await.unwrap();
    assert_eq!(message, FeedMessage::Roster);
    writes.apply(&joined(&other, "alice", 1)).await.unwrap();
    let message = within_deadline("the change", of_another.next()).await.unwrap();
    assert!(matches!(message, FeedMessage::Changed(_)), "{message:?}");
    is_named(&mut of_all, &other).await;
    assert!(of_the_room.next().now_or_never().is_none(), "it was told once");
}

async fn folding_what_a_follower_hears_gives_the_list(Stores { writes, follows }: Stores) {
    let mut random = fastrand::Rng::with_seed(7);
    let rooms: Vec<_> = (0..12).map(|number| room(&format!("room-{number}"))).collect();
    let mut feed = follows.follow_rooms().await.unwrap();
    let mut folded: BTreeMap<RoomName, RoomSummary> = BTreeMap::new();
    for round in 0..40 {
        for _ in 0..random.usize(1..12) {
            let room = random.choice(&rooms).unwrap();
            let person = format!("user-{}", random.u8(0..4));
            let event = match random.u8(0..8) {
                0 => started(room),
                1 => finished(room),
                2..=4 => left(room, &person),
                _ => joined(room, &format!("{person}-{round}"), i64::from(round)),
            };
            writes.apply(&event).await.unwrap();
        }
        let expected = sorted(follows.rooms_anew().await.unwrap());
        while folded.values().cloned().collect::<Vec<_>>() != expected {
            let touched = within_deadline("a room to be named", feed.next()).await.unwrap();
            let names: Vec<_> = touched.rooms.into_iter().collect();
            for name in &names {
                folded.remove(name);
            }
            for summary in follows.summaries(&names).await.unwrap() {
                folded.insert(summary.name.clone(), summary);
            }
        }
    }
    assert!(!folded.is_empty());
}

#[tokio::test]
async fn all_buckets_are_subscribed_only_while_somebody_follows_all_rooms() {
    let server = RedisServer::start().await;
    let store = server.store(Rules::default(), None).0;
    let channels =
        async || server.ask(&["PUBSUB", "CHANNELS", "lkp:changes:*"]).await.texts().len();
    let _of_one = store.follow(&room("general")).await.unwrap();
    assert_eq!(channels().await, 1);
    let of_all = store.follow_rooms().await.unwrap();
    assert_eq!(channels().await, 1_024);
    let another = store.follow_rooms().await.unwrap();
    drop(of_all);
    drop(another);
    eventually("the others to be left", async || channels().await == 1).await;
}

#[tokio::test]
async fn a_follower_of_all_rooms_is_told_of_a_gap_when_its_connection_is_lost() {
    let server = RedisServer::start().await;
    let store = server.store(Rules::default(), None).0;
    let mut feed = store.follow_rooms().await.unwrap();
    server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    assert!(within_deadline("the gap", feed.next()).await.unwrap().is_gap);
    let general = room("general");
    eventually("it to hear again", async || {
        store.apply(&started(&general)).await.unwrap();
        store.apply(&finished(&general)).await.unwrap();
        feed.next().now_or_never().flatten().is_some_and(|touched| !touched.is_gap)
    })
    .await;
}

async fn is_named(feed: &mut RoomsFeed, room: &RoomName) {
    let touched = within_deadline("the room to be named", feed.next()).await.unwrap();
    assert!(!touched.is_gap && touched.rooms.contains(room), "{touched:?}");
}

fn sorted(mut rooms: Vec<RoomSummary>) -> Vec<RoomSummary> {
    rooms.sort_by(|a, b| a.name.cmp(&b.name));
    rooms
}

fn names(rooms: &[RoomSummary]) -> Vec<&str> {
    rooms.iter().map(|room| room.name.as_str()).collect()
}
