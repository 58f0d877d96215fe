//! Turns in a sliding window, which every way to share must count alike: one instance alone, and several on one Redis.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use livekit_presence::{
    coordination::{Peers, SingleInstance, SlidingWindow, Turn},
    presence::Rules,
};
use tokio::time::sleep;

use crate::harness::RedisServer;

const MINUTE: Duration = Duration::from_mins(1);

/// What an instance asks, and what has to live as long.
struct Instances {
    peers: Vec<Arc<dyn Peers>>,
    _kept: Box<dyn Send>,
}

#[expect(clippy::unused_async, reason = "the contract awaits how it is made, whichever it is")]
async fn alone() -> Instances {
    Instances { peers: vec![Arc::new(SingleInstance::default())], _kept: Box::new(()) }
}

async fn three_on_redis() -> Instances {
    let server = RedisServer::start().await;
    let (stores, peers): (Vec<_>, Vec<_>) =
        (0..3).map(|_| server.store(Rules::default(), None)).unzip();
    let peers = peers.into_iter().map(|one| Arc::new(one) as Arc<dyn Peers>).collect();
    Instances { peers, _kept: Box::new((server, stores)) }
}

impl Instances {
    /// Asks any of them, in turn.
    async fn take(&self, number: usize, who: &str, max: u32, length: Duration) -> Turn {
        let peers = &self.peers[number % self.peers.len()];
        peers.take_turn(who, SlidingWindow { max, length }).await.unwrap()
    }
}

async fn the_turn_after_the_last_is_refused_wherever_it_is_asked_for(instances: Instances) {
    let asked_at = Instant::now();
    for number in 0..20 {
        let turn = instances.take(number, "alice", 20, MINUTE).await;
        let Turn::Taken { left, frees_in } = turn else { panic!("{number}: {turn:?}") };
        assert_eq!(left, 19 - u32::try_from(number).unwrap());
        assert!(frees_in <= MINUTE && frees_in >= MINUTE - asked_at.elapsed(), "{frees_in:?}");
    }
    for number in 20..26 {
        let turn = instances.take(number, "alice", 20, MINUTE).await;
        let Turn::Refused { wait } = turn else { panic!("{number}: {turn:?}") };
        assert!(wait <= MINUTE && wait >= MINUTE - asked_at.elapsed(), "{wait:?}");
    }
    let of_another = instances.take(0, "bob", 20, MINUTE).await;
    assert!(matches!(of_another, Turn::Taken { left: 19, .. }), "{of_another:?}");
}

async fn of_many_that_ask_at_once_as_many_get_a_turn_as_there_are(instances: Instances) {
    let asking = (0..21).map(|number| instances.take(number, "alice", 20, MINUTE));
    let taken = join_all(asking).await;
    let taken = taken.iter().filter(|turn| matches!(turn, Turn::Taken { .. })).count();
    assert_eq!(taken, 20);
}

/// What is slept is not a guess: it is what the answer promises.
async fn a_turn_is_free_when_it_was_said_to_be_and_no_sooner(instances: Instances) {
    let length = Duration::from_millis(600);
    let begun = Instant::now();
    instances.take(0, "alice", 2, length).await;
    sleep(length / 2).await;
    instances.take(1, "alice", 2, length).await;
    let Turn::Refused { wait } = instances.take(2, "alice", 2, length).await else {
        panic!("both are taken");
    };
    assert!(wait <= length / 2, "the first of them frees its turn: {wait:?}");
    sleep(wait).await;
    let turn = instances.take(0, "alice", 2, length).await;
    assert!(matches!(turn, Turn::Taken { left: 0, .. }), "{turn:?}");
    assert!(begun.elapsed() >= length);
    // The second still counts. A counter that begins anew would have two here.
    let Turn::Refused { .. } = instances.take(1, "alice", 2, length).await else {
        assert!(begun.elapsed() >= length + length / 2, "it slides");
        return;
    };
}

async fn nothing_is_taken_where_none_is_allowed(instances: Instances) {
    let turn = instances.take(0, "alice", 0, MINUTE).await;
    assert_eq!(turn, Turn::Refused { wait: MINUTE });
}

macro_rules! suite {
    ($name:ident, $instances:expr) => {
        mod $name {
            super::suite!(@tests $instances;
                the_turn_after_the_last_is_refused_wherever_it_is_asked_for
                of_many_that_ask_at_once_as_many_get_a_turn_as_there_are
                a_turn_is_free_when_it_was_said_to_be_and_no_sooner
                nothing_is_taken_where_none_is_allowed
            );
        }
    };
    (@tests $instances:expr; $($test:ident)+) => {
        $(
            #[tokio::test]
            async fn $test() {
                super::$test($instances.await).await;
            }
        )+
    };
}

use suite;

suite!(alone_contract, super::alone());
suite!(redis_contract, super::three_on_redis());

#[tokio::test]
async fn turns_leave_nothing_behind_in_redis() {
    let server = RedisServer::start().await;
    let (_store, peers) = server.store(Rules::default(), None);
    let window = SlidingWindow { max: 2, length: Duration::from_millis(200) };
    peers.take_turn("0123ab", window).await.unwrap();
    let there = server.ask(&["EXISTS", "lkp:turns:{0123ab}"]).await.text();
    let left = server.ask(&["PTTL", "lkp:turns:{0123ab}"]).await.text();
    assert!(there == "1" || left == "-2", "{there} {left}");
    crate::harness::eventually("it to end by itself", async || {
        server.ask(&["EXISTS", "lkp:turns:{0123ab}"]).await.text() == "0"
    })
    .await;
}
