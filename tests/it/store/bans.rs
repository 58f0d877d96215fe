//! The contract of bans. `suite!` makes its tests for one store.

use std::{sync::Arc, time::Duration};

use livekit_presence::{
    presence::{Applied, Ban, BanChanged, HostTime, Identity, Rules, StoreTime},
    store::{EventSource, Feed, FeedMessage, MemoryStore, Store},
};

use crate::harness::{RedisServer, Reply, TestClock, within_deadline};

use super::webhooks::{
    aborted, joined, joined_as, left, left_visible, published_as, room, session, started,
};

macro_rules! suite {
    ($name:ident, $store:expr) => {
        mod $name {
            use crate::store::bans;

            bans::suite!(@tests $store;
                who_is_banned_leaves_the_list_and_returns_when_the_ban_is_lifted
                the_log_says_that_a_moderator_did_it_and_nothing_else_of_a_banned_person
                a_ban_alone_makes_no_room_in_the_list_of_rooms
                a_ban_is_read_by_itself_until_it_is_over
                what_is_lifted_in_vain_leaves_nothing_behind
            );
        }
    };
    (@tests $store:expr; $($test:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let (store, _server) = $store.await;
                bans::$test(store).await;
            }
        )+
    };
}
pub(super) use suite;

type Shared = Arc<dyn Store>;

fn ban(at: StoreTime, until: Option<StoreTime>) -> Ban {
    Ban { until, at, by: "moderator".to_owned(), reason: Some("spam".to_owned()) }
}

async fn identities(store: &Shared, name: &str) -> Vec<String> {
    let read = store.read(&room(name)).await.unwrap().unwrap();
    read.list().into_iter().map(|one| one.identity.to_string()).collect()
}

async fn next(feed: &mut Feed) -> FeedMessage {
    within_deadline("the feed", feed.next()).await.expect("the store lives")
}

pub async fn who_is_banned_leaves_the_list_and_returns_when_the_ban_is_lifted(store: Shared) {
    let (general, bob) = (room("general"), Identity::new("bob"));
    store.apply(&joined(&general, "alice", 1)).await.unwrap();
    store.apply(&joined(&general, "bob", 2)).await.unwrap();
    let mut feed = store.follow(&general).await.unwrap();
    let now = store.now().await.unwrap();
    let changed = store.ban(&general, &bob, Some(&ban(now, None))).await.unwrap();
    assert_eq!(changed.before, None);
    assert_eq!(changed.inside, [session("bob", 2).sid]);
    let FeedMessage::Changed(told) = next(&mut feed).await else { panic!("nothing was lost") };
    assert_eq!(Some((*told).clone()), changed.change);
    assert_eq!(told.left[0].identity, bob);
    assert_eq!(identities(&store, "general").await, ["alice"]);

    let again = store.apply(&joined_as(&general, "bob", "PA_again", 3)).await.unwrap();
    assert_eq!(again, Applied::OfBanned(Box::new(Applied::Unchanged)));
    assert_eq!(identities(&store, "general").await, ["alice"]);

    let lifted = store.ban(&general, &bob, None).await.unwrap();
    assert_eq!(lifted.before, Some(ban(now, None)));
    let FeedMessage::Changed(told) = next(&mut feed).await else { panic!("nothing was lost") };
    assert_eq!(told.joined[0].sid.as_str(), "PA_again");
    assert_eq!(identities(&store, "general").await, ["alice", "bob"]);
}

pub async fn the_log_says_that_a_moderator_did_it_and_nothing_else_of_a_banned_person(
    store: Shared,
) {
    let (general, bob) = (room("general"), Identity::new("bob"));
    let followed = store.follow_events().await.unwrap();
    let position = followed.position();
    store.apply(&joined(&general, "bob", 2)).await.unwrap();
    let now = store.now().await.unwrap();
    store.ban(&general, &bob, Some(&ban(now, None))).await.unwrap();
    let participant = Some(session("bob", 2).as_participant());
    for event in [
        left_visible(&general, "bob"),
        joined_as(&general, "bob", "PA_again", 3),
        published_as(&general, "bob", "TR_1"),
        aborted(&general, "bob", participant),
    ] {
        let event = livekit_presence::presence::Event { identity: Some(bob.clone()), ..event };
        store.apply(&event).await.unwrap();
    }
    store.ban(&general, &bob, None).await.unwrap();
    let resumed = store.events_after(position, 100).await.unwrap();
    let logged: Vec<_> = resumed
        .events
        .iter()
        .map(|logged| (logged.event.name.as_str(), logged.event.source.clone().unwrap()))
        .collect();
    assert_eq!(
        logged,
        [
            ("participant_joined", EventSource::Webhook),
            ("participant_left", EventSource::Moderation),
            ("participant_joined", EventSource::Moderation),
        ]
    );
}

pub async fn a_ban_alone_makes_no_room_in_the_list_of_rooms(store: Shared) {
    let (quiet, bob) = (room("quiet"), Identity::new("bob"));
    let now = store.now().await.unwrap();
    let changed = store.ban(&quiet, &bob, Some(&ban(now, None))).await.unwrap();
    assert_eq!(changed, BanChanged::default());
    assert_eq!(store.rooms_anew().await.unwrap(), []);
    let read = store.read(&quiet).await.unwrap().unwrap();
    assert_eq!(read.bans().map(|(identity, _)| identity.as_str()).collect::<Vec<_>>(), ["bob"]);
    store.apply(&joined(&quiet, "bob", 1)).await.unwrap();
    assert_eq!(store.rooms_anew().await.unwrap(), [], "nobody is in it whom clients may see");
    store.apply(&started(&quiet)).await.unwrap();
    store.apply(&joined(&quiet, "alice", 2)).await.unwrap();
    let rooms = store.rooms_anew().await.unwrap();
    assert_eq!((rooms.len(), rooms[0].counts.people), (1, 1));
}

pub async fn a_ban_is_read_by_itself_until_it_is_over(store: Shared) {
    let (general, bob) = (room("general"), Identity::new("bob"));
    assert_eq!(store.ban_of(&general, &bob).await.unwrap(), None);
    let now = store.now().await.unwrap();
    let long = ban(now, Some(now + Duration::from_hours(1)));
    store.ban(&general, &bob, Some(&long)).await.unwrap();
    assert_eq!(store.ban_of(&general, &bob).await.unwrap(), Some(long.clone()));
    assert_eq!(store.ban_of(&general, &Identity::new("alice")).await.unwrap(), None);
    let over = ban(now, Some(now));
    let replaced = store.ban(&general, &bob, Some(&over)).await.unwrap();
    assert_eq!(replaced.before, Some(long));
    assert_eq!(store.ban_of(&general, &bob).await.unwrap(), None);
    assert_eq!(store.ban(&general, &bob, None).await.unwrap().before, None);
}

pub async fn what_is_lifted_in_vain_leaves_nothing_behind(store: Shared) {
    let (nowhere, bob) = (room("nowhere"), Identity::new("bob"));
    assert_eq!(store.ban(&nowhere, &bob, None).await.unwrap(), BanChanged::default());
    assert!(store.read(&nowhere).await.unwrap().is_none());
}

#[tokio::test]
async fn in_memory_a_room_that_is_forgotten_keeps_its_bans_until_they_are_over() {
    let clock = TestClock::default();
    let start = HostTime::from_millis(1_800_000_000_000);
    let hours = |hours| start + Duration::from_hours(hours);
    clock.set(start);
    let store = MemoryStore::new(Rules::default(), clock.clock());
    let (general, bob) = (room("general"), Identity::new("bob"));
    store.apply(&joined(&general, "alice", 1)).await.unwrap();
    let until = hours(60).as_store_time();
    store.ban(&general, &bob, Some(&ban(start.as_store_time(), Some(until)))).await.unwrap();
    clock.set(hours(25));
    let read = store.read(&general).await.unwrap().unwrap();
    assert_eq!((read.count(), read.bans().count()), (0, 1));
    clock.set(hours(59));
    let applied = store.apply(&joined(&general, "bob", 1)).await.unwrap();
    assert!(matches!(applied, Applied::OfBanned(_)));
    store.apply(&left(&general, "bob")).await.unwrap();
    clock.set(hours(84));
    assert!(store.read(&general).await.unwrap().is_none());
}

#[tokio::test]
async fn in_redis_a_room_is_kept_until_its_last_ban_is_over() {
    let server = RedisServer::start().await;
    let [one, other] = [0, 1].map(|_| server.store(Rules::default(), None).0);
    let general = room("general");
    one.apply(&joined(&general, "alice", 1)).await.unwrap();
    let key = server.keys("*room*").await.remove(0);
    let days_left = async || match server.ask(&["TTL", &key]).await {
        Reply::Integer(secs) => (secs + 60) / 86_400,
        other => panic!("{other:?}"),
    };
    assert_eq!(days_left().await, 1);
    let now = one.now().await.unwrap();
    let days = |days: u64| now + Duration::from_hours(24 * days);
    let ban_until = async |store: &dyn Store, who: &str, until| {
        store.ban(&general, &Identity::new(who), Some(&ban(now, until))).await.unwrap();
    };
    ban_until(&one, "bob", Some(days(10))).await;
    assert_eq!(days_left().await, 10);
    ban_until(&other, "carol", Some(days(3))).await;
    assert_eq!(days_left().await, 10, "a row that it has not read ends later");
    other.renew(&general).await.unwrap();
    assert_eq!(days_left().await, 10);
    ban_until(&other, "dave", None).await;
    assert_eq!(days_left().await, 365);
    let applied = one.apply(&joined(&general, "dave", 5)).await.unwrap();
    assert!(matches!(applied, Applied::OfBanned(_)), "the other instance has banned him");
}
