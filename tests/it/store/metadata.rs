//! The contract of the metadata of rooms. `suite!` makes its tests for one store.

use std::sync::Arc;

use livekit_presence::{
    presence::{
        Event, EventDetails, LiveKitTime, MetadataTold, RoomDetails, RoomName, RoomSid, Rules,
        ToldMetadata,
    },
    store::{EventSource, LoggedEvent, RoomAbout, Store},
};
use serde_json::{Value, json};

use crate::harness::RedisServer;

use super::{
    events::{data, next, nothing_more},
    webhooks::{finished, joined, left, published_as, room, started},
};

macro_rules! suite {
    ($name:ident, $store:expr) => {
        mod $name {
            use crate::store::metadata;

            metadata::suite!(@tests $store;
                a_room_is_read_without_its_people
                what_livekit_says_when_asked_is_kept_and_changes_nothing_else
                of_a_room_that_is_not_held_nothing_is_kept
                the_log_tells_of_each_change_once
                folding_the_log_gives_what_is_kept_from_the_beginning_to_the_end
                followers_of_the_room_hear_nothing_of_its_metadata
            );
        }
    };
    (@tests $store:expr; $($test:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let (store, _server) = $store.await;
                metadata::$test(store).await;
            }
        )+
    };
}
pub(super) use suite;

type Shared = Arc<dyn Store>;

/// When LiveKit made the room object.
const CREATED_AT: LiveKitTime = LiveKitTime::from_millis(500);

/// The webhook with a full description of the room.
fn describing(event: Event, metadata: &str) -> Event {
    let room = RoomDetails {
        metadata: Some(metadata.to_owned()),
        creation_time: Some(CREATED_AT),
        ..RoomDetails::named(event.room.clone(), Some(RoomSid::new("RM_1")))
    };
    Event {
        room_sid: Some(RoomSid::new("RM_1")),
        room_created_at: Some(CREATED_AT),
        details: Arc::new(EventDetails { room: Some(room), ..EventDetails::default() }),
        ..event
    }
}

async fn told(store: &Shared, metadata: &str) -> ToldMetadata {
    let asked_at = store.now().await.unwrap();
    ToldMetadata { created_at: Some(CREATED_AT), metadata: metadata.into(), asked_at }
}

async fn tell(store: &Shared, room: &RoomName, metadata: &str) -> MetadataTold {
    let told = told(store, metadata).await;
    store.tell_metadata(room, &told).await.unwrap()
}

async fn about(store: &Shared, name: &str) -> RoomAbout {
    store.about(&room(name)).await.unwrap().expect("it is held")
}

async fn metadata(store: &Shared) -> Option<String> {
    let about = about(store, "general").await.metadata;
    let read = store.read(&room("general")).await.unwrap().unwrap();
    assert_eq!(about.as_deref(), read.metadata(), "however it is read");
    about
}

/// What an event says of the metadata.
fn said(logged: &LoggedEvent) -> Value {
    assert_eq!(logged.event.name, "room_metadata_changed");
    data(logged)["room"]["metadata"].clone()
}

pub async fn a_room_is_read_without_its_people(store: Shared) {
    let general = room("general");
    assert_eq!(store.about(&general).await.unwrap(), None);
    store.apply(&describing(started(&general), "{}")).await.unwrap();
    store.apply(&describing(joined(&general, "alice", 1), "{}")).await.unwrap();
    store.apply(&published_as(&general, "alice", "TR_1")).await.unwrap();
    let read = about(&store, "general").await;
    let position = store.position(&general).await.unwrap().unwrap();
    assert_eq!((read.position, read.is_active), (position, true));
    assert_eq!((read.counts.people, read.counts.publishers), (1, 1));
    assert_eq!(read.sid, Some(RoomSid::new("RM_1")));
    assert_eq!((read.started_at, read.has_recorder), (Some(CREATED_AT), Some(false)));
    assert_eq!(read.metadata.as_deref(), Some("{}"));
    store.apply(&describing(left(&general, "alice"), "{}")).await.unwrap();
    store.apply(&describing(finished(&general), "{}")).await.unwrap();
    let read = about(&store, "general").await;
    assert_eq!((read.is_active, read.sid, read.metadata), (false, None, None));
}

pub async fn what_livekit_says_when_asked_is_kept_and_changes_nothing_else(store: Shared) {
    let general = room("general");
    store.apply(&describing(started(&general), "old")).await.unwrap();
    store.apply(&describing(joined(&general, "alice", 1), "old")).await.unwrap();
    let before = store.read(&general).await.unwrap().unwrap();
    let outdated = told(&store, "outdated").await;
    let late = describing(joined(&general, "late", 2), "old");
    assert_eq!(tell(&store, &general, "new").await, MetadataTold::Changed);
    assert_eq!(tell(&store, &general, "new").await, MetadataTold::Same);
    let told = store.tell_metadata(&general, &outdated).await.unwrap();
    assert_eq!(told, MetadataTold::Outdated);
    let after = store.read(&general).await.unwrap().unwrap();
    assert_eq!((after.version(), after.list()), (before.version(), before.list()));
    assert_eq!(metadata(&store).await.as_deref(), Some("new"));
    let later = LiveKitTime::from_secs(0);
    store.apply(&Event { created_at: later, ..late }).await.unwrap();
    assert_eq!(metadata(&store).await.as_deref(), Some("new"), "the webhook is older");
    assert_eq!(tell(&store, &general, "").await, MetadataTold::Changed);
    assert_eq!(metadata(&store).await.as_deref(), Some(""));
}

pub async fn of_a_room_that_is_not_held_nothing_is_kept(store: Shared) {
    let general = room("general");
    assert_eq!(tell(&store, &general, "new").await, MetadataTold::Outdated);
    assert_eq!(store.about(&general).await.unwrap(), None);
    assert_eq!(store.rooms().await.unwrap(), []);
}

pub async fn the_log_tells_of_each_change_once(store: Shared) {
    let general = room("general");
    let mut feed = store.follow_events().await.unwrap();
    let start = describing(started(&general), "first");
    for _ in 0..2 {
        store.apply(&start).await.unwrap();
    }
    let logged = next(&mut feed, 2).await;
    assert_eq!(logged[0].event.name, "room_started");
    let first = &logged[1];
    let told = json!({"room":{"sid":"RM_1","name":"general","metadata":"first"}});
    assert_eq!((first.event.name.as_str(), data(first)), ("room_metadata_changed", told));
    assert_eq!(first.event.source, Some(EventSource::Webhook));
    assert_eq!(first.event.timestamp, 1_000, "LiveKit's");
    store.apply(&describing(joined(&general, "alice", 1), "first")).await.unwrap();
    assert_eq!(next(&mut feed, 1).await[0].event.name, "participant_joined");
    for _ in 0..2 {
        tell(&store, &general, "second").await;
    }
    let second = &next(&mut feed, 1).await[0];
    assert_eq!(said(second), "second");
    assert_eq!(second.event.source, Some(EventSource::Comparison));
    assert_ne!(second.event.id, first.event.id);
    nothing_more(&store, &mut feed).await;
}

pub async fn folding_the_log_gives_what_is_kept_from_the_beginning_to_the_end(store: Shared) {
    let general = room("general");
    let mut feed = store.follow_events().await.unwrap();
    store.apply(&describing(started(&general), "first")).await.unwrap();
    assert_eq!(said(&next(&mut feed, 2).await[1]), "first");
    store.apply(&describing(joined(&general, "alice", 1), "second")).await.unwrap();
    assert_eq!(said(&next(&mut feed, 2).await[1]), "second");
    assert_eq!(metadata(&store).await.as_deref(), Some("second"));
    store.apply(&left(&general, "alice")).await.unwrap();
    store.apply(&describing(finished(&general), "second")).await.unwrap();
    let logged = next(&mut feed, 3).await;
    assert_eq!(logged[1].event.name, "room_finished");
    assert_eq!(said(&logged[2]), "", "a room that has ended has none");
    assert_eq!(metadata(&store).await, None);
    store.apply(&describing(started(&general), "")).await.unwrap();
    assert_eq!(next(&mut feed, 1).await[0].event.name, "room_started");
    nothing_more(&store, &mut feed).await;
}

pub async fn followers_of_the_room_hear_nothing_of_its_metadata(store: Shared) {
    let general = room("general");
    store.apply(&describing(started(&general), "old")).await.unwrap();
    let mut feed = store.follow(&general).await.unwrap();
    let mut rooms = store.follow_rooms().await.unwrap();
    tell(&store, &general, "new").await;
    store.apply(&describing(joined(&general, "alice", 1), "newer")).await.unwrap();
    let told = crate::harness::within_deadline("the feed", feed.next()).await.unwrap();
    let livekit_presence::store::FeedMessage::Changed(change) = told else { panic!("{told:?}") };
    assert_eq!(change.joined[0].identity.as_str(), "alice", "it is the first to be heard of");
    assert!(crate::harness::within_deadline("the list", rooms.next()).await.is_some());
}

/// Two instances on one Redis.
async fn two() -> (RedisServer, [Shared; 2]) {
    let server = RedisServer::start().await;
    let store = || Arc::new(server.store(Rules::default(), None).0) as Shared;
    let stores = [store(), store()];
    (server, stores)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_instances_together_tell_of_a_change_once() {
    let (_server, stores) = two().await;
    let general = room("general");
    stores[0].apply(&describing(started(&general), "")).await.unwrap();
    let mut feed = stores[1].follow_events().await.unwrap();
    for number in 0..30 {
        let text = format!("text {number}");
        let told = told(&stores[0], &text).await;
        let telling = [0, 1, 0, 1].map(|index| {
            let (store, general, told) =
                (Arc::clone(&stores[index]), general.clone(), told.clone());
            tokio::spawn(async move { store.tell_metadata(&general, &told).await.unwrap() })
        });
        let mut changed = 0;
        for one in telling {
            changed += usize::from(one.await.unwrap() == MetadataTold::Changed);
        }
        assert_eq!(changed, 1);
        assert_eq!(said(&next(&mut feed, 1).await[0]), text);
        for store in &stores {
            assert_eq!(metadata(store).await, Some(text.clone()));
        }
    }
    nothing_more(&stores[0], &mut feed).await;
}

/// The bytes that Redis has read and written.
async fn traffic(server: &RedisServer) -> u64 {
    let stats = server.ask(&["INFO", "stats"]).await.text();
    let of = |name: &str| -> u64 {
        let line = stats.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse().unwrap()
    };
    of("total_net_input_bytes:") + of("total_net_output_bytes:")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_text_goes_to_redis_only_when_it_is_another_and_comes_back_only_for_who_reads_it() {
    let (server, stores) = two().await;
    let general = room("general");
    let text = "x".repeat(100_000);
    stores[0].apply(&describing(started(&general), &text)).await.unwrap();
    let before = traffic(&server).await;
    // Another instance has always written last.
    for (number, store) in (0..50).zip(stores.iter().cycle()) {
        let joined = joined(&general, &format!("user-{number}"), number);
        store.apply(&describing(joined, &text)).await.unwrap();
    }
    let spent = traffic(&server).await - before;
    assert!(spent < 400_000, "{spent} bytes for 50 webhooks");
    assert_eq!(tell(&stores[1], &general, &text).await, MetadataTold::Same);
    assert_eq!(about(&stores[1], "general").await.metadata.unwrap().len(), 100_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_without_metadata_has_no_field_more_and_one_that_ends_keeps_none() {
    let (server, [store, _]) = two().await;
    let general = room("general");
    store.apply(&describing(started(&general), "")).await.unwrap();
    store.apply(&describing(joined(&general, "alice", 1), "")).await.unwrap();
    tell(&store, &general, "").await;
    let key = &server.keys("lkp:room:*").await[0];
    let fields = async || {
        let mut fields = server.ask(&["HKEYS", key]).await.texts();
        fields.sort();
        fields
    };
    assert_eq!(fields().await, ["m", "p:alice", "r"]);
    let row = server.ask(&["HGET", key, "m"]).await.text();
    assert!(!row.contains("metadata"), "{row}");
    let revision = server.ask(&["HGET", key, "r"]).await.text();
    tell(&store, &general, "").await;
    assert_eq!(server.ask(&["HGET", key, "r"]).await.text(), revision, "nothing was written");

    tell(&store, &general, "new").await;
    assert_eq!(fields().await, ["d", "m", "p:alice", "r"]);
    let text = server.ask(&["HGET", key, "d"]).await.text();
    assert_eq!(text, r#"{"format":1,"metadata":"new"}"#);
    store.apply(&left(&general, "alice")).await.unwrap();
    store.apply(&describing(finished(&general), "new")).await.unwrap();
    assert_eq!(fields().await, ["m", "p:alice", "r"]);
}

/// Beside this release, on the same Redis, one that does not know the field writes the room's own row, and drops it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_older_release_drops_comes_back_with_the_next_webhook_or_answer() {
    let (server, [store, other]) = two().await;
    let general = room("general");
    store.apply(&describing(started(&general), "old")).await.unwrap();
    let key = &server.keys("lkp:room:*").await[0];
    let row: Value = serde_json::from_str(&server.ask(&["HGET", key, "m"]).await.text()).unwrap();
    let mut older = row.clone();
    older.as_object_mut().unwrap().remove("metadata").expect("this release has written it");
    let drop_it = async || {
        server.ask(&["HSET", key, "m", &older.to_string(), "r", "another's"]).await;
    };
    drop_it().await;
    assert_eq!(metadata(&store).await.as_deref(), Some(""), "the text that is left does not count");
    store.apply(&describing(joined(&general, "alice", 1), "new")).await.unwrap();
    assert_eq!(metadata(&other).await.as_deref(), Some("new"));
    drop_it().await;
    assert_eq!(tell(&other, &general, "newer").await, MetadataTold::Changed);
    assert_eq!(metadata(&store).await.as_deref(), Some("newer"));
}

#[tokio::test]
async fn metadata_of_another_format_is_refused_and_not_overwritten() {
    let (server, [store, _]) = two().await;
    let general = room("general");
    store.apply(&describing(started(&general), "old")).await.unwrap();
    let key = &server.keys("lkp:room:*").await[0];
    server.ask(&["HSET", key, "d", r#"{"format":2,"text":"old"}"#]).await;
    assert!(store.about(&general).await.is_err());
    assert!(store.read(&general).await.is_err());
}
