//! The contract of every store. `suite!` makes its tests for one store.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use livekit_presence::{
    presence::{
        Applied, Change, Counts, EventKind, Identity, Listing, LiveKitTime, Participant,
        ParticipantSid, Repair, Repairs, Room, RoomLifecycle, Rules, Version, plan,
    },
    store::{Feed, FeedMessage, RoomSummary, Store},
};

use crate::harness::within_deadline;

use super::webhooks::{
    agent_joined, event, joined, left, published_as, room, session, started, unpublished,
};

macro_rules! suite {
    ($name:ident, $store:expr) => {
        mod $name {
            use crate::store::contract;

            contract::suite!(@tests $store;
                applied_events_are_read_back
                an_event_is_applied_once_however_many_bring_it
                rooms_know_nothing_of_each_other
                followers_get_every_change_in_order
                a_follower_that_then_reads_misses_nothing
                a_follower_that_falls_behind_is_told_of_a_gap
                a_feed_that_was_dropped_gets_nothing_more
                repairs_are_applied_and_published
                repairs_that_no_longer_hold_are_not_applied
                what_livekit_did_for_a_moderator_is_applied_and_outlasts_late_webhooks
                active_rooms_are_listed
                a_room_that_was_never_heard_of_is_not_there
                the_clock_goes_forward
                going_on_and_off_costs_no_more_each_time
            );
        }
    };
    (@tests $store:expr; $($test:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let (store, _server) = $store.await;
                contract::$test(store).await;
            }
        )+
    };
}
pub(super) use suite;

type Shared = Arc<dyn Store>;

pub async fn applied_events_are_read_back(store: Shared) {
    let general = room("general");
    store.apply(&started(&general)).await.unwrap();
    store.apply(&joined(&general, "alice", 1)).await.unwrap();
    let Applied::Changed(change) = store.apply(&joined(&general, "bob", 2)).await.unwrap() else {
        panic!("clients see bob");
    };
    let read = store.read(&general).await.unwrap().unwrap();
    assert_eq!(people(&read.list()), ["alice", "bob"]);
    assert_eq!(read.version(), change.version);
    assert!(read.completeness().is_complete_at(store.now().await.unwrap()));
}

pub async fn an_event_is_applied_once_however_many_bring_it(store: Shared) {
    let general = room("general");
    let event = joined(&general, "alice", 1);
    let attempts: Vec<_> = (0..20)
        .map(|_| {
            let (store, event) = (Arc::clone(&store), event.clone());
            tokio::spawn(async move { store.apply(&event).await.unwrap() })
        })
        .collect();
    let mut changed = 0;
    for attempt in attempts {
        match attempt.await.unwrap() {
            Applied::Changed(_) => changed += 1,
            other => assert_eq!(other, Applied::Duplicate),
        }
    }
    assert_eq!(changed, 1);
}

pub async fn rooms_know_nothing_of_each_other(store: Shared) {
    let (general, music) = (room("general"), room("music"));
    let mut feed = store.follow(&general).await.unwrap();
    store.apply(&joined(&music, "alice", 1)).await.unwrap();
    store.apply(&joined(&general, "bob", 2)).await.unwrap();
    assert_eq!(people(&store.read(&music).await.unwrap().unwrap().list()), ["alice"]);
    let change = next_change(&mut feed).await;
    assert_eq!(people(&change.joined), ["bob"]);
}

pub async fn followers_get_every_change_in_order(store: Shared) {
    let general = room("general");
    let mut feeds = [store.follow(&general).await.unwrap(), store.follow(&general).await.unwrap()];
    let posting: Vec<_> = (0..40)
        .map(|number| {
            let event = joined(&general, &format!("user-{number:02}"), number);
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.apply(&event).await.unwrap() })
        })
        .collect();
    for posted in posting {
        posted.await.unwrap();
    }
    for feed in &mut feeds {
        let mut version = Version::ZERO;
        for _ in 0..40 {
            let change = next_change(feed).await;
            assert_eq!(change.prev, version, "each builds on the one before");
            assert!(change.version > version);
            version = change.version;
        }
        assert_eq!(version, store.read(&general).await.unwrap().unwrap().version());
    }
}

pub async fn a_follower_that_then_reads_misses_nothing(store: Shared) {
    let general = room("general");
    let posting = tokio::spawn({
        let (store, general) = (Arc::clone(&store), general.clone());
        async move {
            for number in 0..60 {
                store.apply(&joined(&general, &format!("user-{number:02}"), number)).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    });
    let mut feed = store.follow(&general).await.unwrap();
    let read = store.read(&general).await.unwrap().unwrap_or_default();
    let mut held: BTreeMap<Identity, Participant> =
        read.list().into_iter().map(|one| (one.identity.clone(), one)).collect();
    let mut version = read.version();
    posting.await.unwrap();
    while held.len() < 60 {
        let change = next_change(&mut feed).await;
        if change.version <= version {
            continue;
        }
        assert_eq!(change.prev, version, "no hole between reading and following");
        version = change.version;
        held.extend(change.joined.iter().map(|one| (one.identity.clone(), one.clone())));
    }
    let expected = store.read(&general).await.unwrap().unwrap().list();
    assert_eq!(held.into_values().collect::<Vec<_>>(), expected);
}

pub async fn a_follower_that_falls_behind_is_told_of_a_gap(store: Shared) {
    let general = room("general");
    let mut feed = store.follow(&general).await.unwrap();
    for number in 0..500 {
        store.apply(&joined(&general, &format!("user-{number:03}"), number)).await.unwrap();
    }
    assert_eq!(next(&mut feed).await, FeedMessage::Gap);
    let mut read = store.read(&general).await.unwrap().unwrap();
    assert_eq!(read.count(), 500, "reading again makes up for it");
    store.apply(&joined(&general, "late", 999)).await.unwrap();
    // Messages that were under way when the room was read arrive late.
    while read.count() == 500 {
        match next(&mut feed).await {
            FeedMessage::Changed(change) if change.version <= read.version() => {}
            FeedMessage::Changed(change) => {
                assert_eq!(change.prev, read.version(), "and then it goes on");
                return;
            }
            FeedMessage::Gap => read = store.read(&general).await.unwrap().unwrap(),
            FeedMessage::Roster => panic!("nobody told of a roster"),
        }
    }
}

pub async fn a_feed_that_was_dropped_gets_nothing_more(store: Shared) {
    let general = room("general");
    let gone = store.follow(&general).await.unwrap();
    let mut stays = store.follow(&general).await.unwrap();
    drop(gone);
    store.apply(&joined(&general, "alice", 1)).await.unwrap();
    assert_eq!(people(&next_change(&mut stays).await.joined), ["alice"]);
}

pub async fn repairs_are_applied_and_published(store: Shared) {
    let general = room("general");
    store.apply(&joined(&general, "alice", 1)).await.unwrap();
    let mut feed = store.follow(&general).await.unwrap();
    let asked_at = store.now().await.unwrap();
    let held = store.read(&general).await.unwrap().unwrap();
    let listing = Listing { asked_at, sessions: vec![session("alice", 1), session("bob", 2)] };
    let repairs = plan(&held, &listing, &[], &Rules::default());
    let repaired = store.repair(&general, &repairs, &repairs.subjects(&held)).await.unwrap();
    assert_eq!(repaired.counts.added, 1);
    let change = next_change(&mut feed).await;
    assert_eq!(Some((*change).clone()), repaired.change);
    assert_eq!(people(&change.joined), ["bob"]);
    let read = store.read(&general).await.unwrap().unwrap();
    assert_eq!(people(&read.list()), ["alice", "bob"]);
    assert!(
        read.completeness().is_complete_at(store.now().await.unwrap()),
        "a list makes a room complete"
    );
}

pub async fn repairs_that_no_longer_hold_are_not_applied(store: Shared) {
    let general = room("general");
    store.apply(&started(&general)).await.unwrap();
    let asked_at = store.now().await.unwrap();
    let held = store.read(&general).await.unwrap().unwrap();
    let listing = Listing { asked_at, sessions: vec![session("alice", 1)] };
    let repairs = plan(&held, &listing, &[], &Rules::default());
    store.apply(&left(&general, "alice")).await.unwrap();
    let repaired = store.repair(&general, &repairs, &repairs.subjects(&held)).await.unwrap();
    assert_eq!((repaired.counts.added, repaired.counts.outdated), (0, 1));
    assert_eq!(store.read(&general).await.unwrap().unwrap().count(), 0);
}

pub async fn what_livekit_did_for_a_moderator_is_applied_and_outlasts_late_webhooks(store: Shared) {
    let general = room("general");
    store.apply(&started(&general)).await.unwrap();
    for (number, identity) in ["alice", "bob"].into_iter().enumerate() {
        let number = i64::try_from(number).unwrap() + 1;
        store.apply(&joined(&general, identity, number)).await.unwrap();
    }
    let mut feed = store.follow(&general).await.unwrap();
    let moderate = async |steps: &dyn Fn(&Room) -> Vec<Repair>| {
        let asked_at = store.now().await.unwrap();
        let held = store.read(&general).await.unwrap().unwrap();
        let repairs = Repairs::moderated(&held, asked_at, steps(&held));
        store.repair(&general, &repairs, &repairs.subjects(&held)).await.unwrap()
    };
    let carol =
        Repair::Ended { sid: ParticipantSid::new("PA_carol"), identity: Identity::new("carol") };
    moderate(&|room| {
        let removal = room.after_removal(&Identity::new("alice"));
        removal.into_iter().chain([carol.clone()]).collect()
    })
    .await;
    assert_eq!(next_change(&mut feed).await.left[0].identity.as_str(), "alice");
    for late in
        [joined(&general, "alice", 1), joined(&general, "carol", 3), left(&general, "alice")]
    {
        assert_eq!(store.apply(&late).await.unwrap(), Applied::Unchanged, "{late:?}");
    }
    assert!(moderate(&Room::after_end).await.found_ended);
    assert_eq!(next_change(&mut feed).await.left[0].identity.as_str(), "bob");
    assert_eq!(store.rooms_anew().await.unwrap().len(), 0, "it is closed");
}

pub async fn active_rooms_are_listed(store: Shared) {
    let (general, empty, closed) = (room("general"), room("empty"), room("closed"));
    store.apply(&joined(&general, "alice", 1)).await.unwrap();
    store.apply(&agent_joined(&general, "helper", 2)).await.unwrap();
    store.apply(&published_as(&general, "alice", "TR_1")).await.unwrap();
    store.apply(&started(&empty)).await.unwrap();
    store.apply(&started(&closed)).await.unwrap();
    store.apply(&event(&closed, EventKind::Room(RoomLifecycle::Finished))).await.unwrap();
    let mut rooms = store.rooms().await.unwrap();
    rooms.sort_by(|a, b| a.name.cmp(&b.name));
    let summary = |name, counts, started_at, is_complete: bool| RoomSummary {
        name: room(name),
        counts,
        started_at,
        recording: is_complete.then_some(false),
        is_complete,
    };
    let counts = Counts { people: 1, agents: 1, publishers: 1 };
    let started_at = Some(LiveKitTime::from_secs(1));
    let expected = [
        summary("empty", Counts::default(), started_at, true),
        summary("general", counts, None, false),
    ];
    assert_eq!(rooms, expected);
}

pub async fn a_room_that_was_never_heard_of_is_not_there(store: Shared) {
    let nowhere = room("nowhere");
    assert!(store.read(&nowhere).await.unwrap().is_none());
    store.renew(&nowhere).await.unwrap();
    let _feed = store.follow(&nowhere).await.unwrap();
    assert!(store.read(&nowhere).await.unwrap().is_none());
    assert_eq!(store.rooms().await.unwrap(), []);
}

/// A store in another process may be ahead of its server by the time that one call took, and by what two clocks drift apart.
pub async fn the_clock_goes_forward(store: Shared) {
    let asked = Instant::now();
    let before = store.now().await.unwrap();
    let call = asked.elapsed();
    let Applied::Changed(change) = store.apply(&joined(&room("general"), "a", 1)).await.unwrap()
    else {
        panic!("clients see it");
    };
    let after = store.now().await.unwrap();
    let ahead = u64::try_from((call + asked.elapsed() / 1_000).as_micros()).unwrap() + 1;
    assert!(before.as_micros() <= change.version.as_u64());
    assert!(change.version.as_u64() <= after.as_micros() + ahead);
    assert!(after.since(before) < Duration::from_mins(1));
}

/// Removed tracks stay removed, as far as the store remembers them.
pub async fn going_on_and_off_costs_no_more_each_time(store: Shared) {
    let general = room("general");
    store.apply(&joined(&general, "alice", 1)).await.unwrap();
    for number in 0..100 {
        store.apply(&published_as(&general, "alice", &format!("TR_{number}"))).await.unwrap();
        store.apply(&unpublished(&general, "alice", &format!("TR_{number}"))).await.unwrap();
    }
    let held = store.read(&general).await.unwrap().unwrap();
    let described = format!("{:?}", held.sessions().collect::<Vec<_>>());
    assert!(described.contains("TR_68") && !described.contains("TR_67"), "{described}");
    store.apply(&published_as(&general, "alice", "TR_99")).await.unwrap();
    assert!(store.read(&general).await.unwrap().unwrap().list()[0].tracks.is_empty());
}

async fn next(feed: &mut Feed) -> FeedMessage {
    within_deadline("the feed", feed.next()).await.expect("the store lives")
}

async fn next_change(feed: &mut Feed) -> Arc<Change> {
    match next(feed).await {
        FeedMessage::Changed(change) => change,
        FeedMessage::Gap => panic!("nothing was lost"),
        FeedMessage::Roster => panic!("nobody told of a roster"),
    }
}

fn people(list: &[Participant]) -> Vec<&str> {
    list.iter().map(|one| one.identity.as_str()).collect()
}
