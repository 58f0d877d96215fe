//! What instances share on one Redis: leases, the budget of calls, and rooms that several of them write.

use std::{sync::Arc, time::Duration};

use livekit_presence::{
    coordination::{CallBucket, Lease, Peers, SharedRooms},
    presence::{
        Applied, Change, Listing, Repair, Repairs, Rules, SessionInfo, Subjects, Version, plan,
    },
    store::Store,
};

use crate::harness::{RedisServer, eventually};

use super::webhooks::{joined, left, room, session, started};

#[tokio::test]
async fn one_instance_at_a_time_holds_a_lease() {
    let server = RedisServer::start().await;
    let (_first_store, first) = server.store(Rules::default(), None);
    let (_second_store, second) = server.store(Rules::default(), None);
    let lease = Lease::Comparison(room("general"));
    let minute = Duration::from_mins(1);
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
async fn all_instances_know_livekits_rooms_once_one_has_asked() {
    let server = RedisServer::start().await;
    let (store, first) = server.store(Rules::default(), None);
    let (_second_store, second) = server.store(Rules::default(), None);
    assert_eq!(second.shared_rooms().await.unwrap(), None);
    let rooms = SharedRooms {
        asked_at: store.now().await.unwrap(),
        names: vec![room("general"), room("Zimmer 7: 🚪")],
    };
    first.share_rooms(&rooms, Duration::from_mins(1)).await.unwrap();
    assert_eq!(second.shared_rooms().await.unwrap(), Some(rooms));
}

#[tokio::test]
async fn a_row_that_another_instance_wrote_costs_one_more_call() {
    let server = RedisServer::start().await;
    let stores = [server.store(Rules::default(), None).0, server.store(Rules::default(), None).0];
    let general = room("general");
    for store in &stores {
        store.apply(&started(&general)).await.unwrap();
        store.apply(&joined(&general, "alice", 1)).await.unwrap();
    }
    server.ask(&["CONFIG", "RESETSTAT"]).await;
    for number in 0..20 {
        let store = &stores[number % 2];
        store.apply(&joined(&general, &format!("user-{number}"), 1)).await.unwrap();
    }
    let stats = server.ask(&["INFO", "commandstats"]).await.text();
    let scripts = stats.lines().find(|line| line.starts_with("cmdstat_evalsha:")).unwrap();
    assert!(scripts.contains("calls=40,"), "one meets the other's, one builds on it: {scripts}");
    let inside = stats.lines().find(|line| line.starts_with("cmdstat_hmget:")).unwrap();
    assert!(inside.contains("calls=40,"), "a conflict brings the rows along: {inside}");
}

/// Has four people at a time join and leave a room, again and again. Returns the changes that clients were told.
async fn come_and_go(store: Arc<dyn Store>, name: &str, commits: usize) -> Vec<Change> {
    const AT_ONCE: usize = 4;
    let general = room("general");
    let coming = (0..AT_ONCE).map(|one| {
        let (store, general) = (Arc::clone(&store), general.clone());
        let name = format!("{name}-{one}");
        tokio::spawn(async move {
            let mut told = Vec::new();
            for number in 0..commits / AT_ONCE / 2 {
                let identity = format!("{name}-{number}");
                for event in [joined(&general, &identity, 1), left(&general, &identity)] {
                    match store.apply(&event).await.unwrap() {
                        Applied::Changed(change) => told.push(change),
                        other => panic!("clients see it: {other:?}"),
                    }
                }
            }
            told
        })
    });
    let mut told = Vec::new();
    for one in coming {
        told.extend(one.await.unwrap());
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_write_one_room_as_fast_as_they_can_and_it_has_one_history() {
    const COMMITS: usize = 10_000;
    let server = RedisServer::start().await;
    let store = || -> Arc<dyn Store> { Arc::new(server.store(Rules::default(), None).0) };
    let (first, second) = (store(), store());
    let (told, more) = tokio::join!(
        come_and_go(Arc::clone(&first), "first", COMMITS),
        come_and_go(second, "second", COMMITS)
    );
    let mut told = [told, more].concat();
    assert_eq!(told.len(), 2 * COMMITS, "none is lost");
    told.sort_by_key(|change| change.version);
    let mut version = Version::ZERO;
    for change in told {
        assert_eq!(change.prev, version, "each builds on the one before");
        version = change.version;
    }
    let held = first.read(&room("general")).await.unwrap().unwrap();
    assert_eq!((held.count(), held.version()), (0, version));
}

/// What a list changes in a room as it is now.
async fn planned(store: &dyn Store, sessions: &[SessionInfo]) -> (Repairs, Subjects) {
    let asked_at = store.now().await.unwrap();
    let held = store.read(&room("general")).await.unwrap().unwrap_or_default();
    let listing = Listing { asked_at, sessions: sessions.to_vec() };
    let repairs = plan(&held, &listing, &[], &Rules::default());
    let subjects = repairs.subjects(&held);
    (repairs, subjects)
}

/// Brings a room into line with a list in which everybody is new or has changed. A store gives a step up after 2.5 s; on a busy
/// machine, the writers beside it may keep it from the room for that long. Then the comparison is made again, as the service
/// does, but not often: an instance that comes too late has the room wait for it.
async fn compare(store: &dyn Store, sessions: &[SessionInfo]) {
    let changes = |repairs: &Repairs| {
        let is_change = |step: &&Repair| matches!(step, Repair::Add { .. } | Repair::Update(_));
        repairs.steps.iter().filter(is_change).count()
    };
    assert_eq!(changes(&planned(store, sessions).await.0), sessions.len());
    let mut refusals = Vec::new();
    loop {
        let (repairs, subjects) = planned(store, sessions).await;
        match store.repair(&room("general"), &repairs, &subjects).await {
            Ok(repaired) if !repaired.is_refused => break,
            repaired => refusals.push(repaired.err().map(|error| error.to_string())),
        }
        assert!(refusals.len() < 4, "the comparison never succeeds: {refusals:?}");
    }
    assert_eq!(changes(&planned(store, sessions).await.0), 0, "the store has taken all of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_of_ten_thousand_is_compared_while_others_write_to_it() {
    let server = RedisServer::start().await;
    let store = || -> Arc<dyn Store> { Arc::new(server.store(Rules::default(), None).0) };
    let (comparing, busy) = (store(), store());
    let general = room("general");
    let is_over = tokio_util::sync::CancellationToken::new();
    let load = tokio::spawn({
        let is_over = is_over.clone();
        async move {
            let mut told = 0;
            while !is_over.is_cancelled() {
                told += come_and_go(Arc::clone(&busy), &format!("busy-{told}"), 40).await.len();
            }
            told
        }
    });
    let mut sessions: Vec<SessionInfo> =
        (0..10_000).map(|number| session(&format!("user-{number:05}"), number)).collect();
    for version in [2, 3] {
        for session in &mut sessions {
            session.version = version;
        }
        compare(&*comparing, &sessions).await;
    }
    is_over.cancel();
    assert!(load.await.unwrap() > 0, "others wrote");
    let held = comparing.read(&general).await.unwrap().unwrap();
    assert_eq!(held.count(), 10_000);
    assert!(held.completeness().is_complete_at(comparing.now().await.unwrap()));
}
