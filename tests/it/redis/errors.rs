//! What a store tells of its Redis when it cannot do what it was asked. One test for each kind of error that those above treat
//! differently.

use std::{error::Error as _, sync::Arc};

use livekit_presence::{
    presence::{RoomName, Rules},
    redis_client::RedisAddress,
    store::{EventLogSettings, RedisMetrics, RedisSettings, RedisStore, Store, StoreError},
};

use crate::{
    harness::{RedisServer, eventually, free_port, url_of},
    store::webhooks::{joined, room, started},
};

/// A store on a server in which a room is open.
async fn with_a_room(server: &RedisServer) -> (Arc<dyn Store>, RoomName) {
    let store = Arc::new(server.store(Rules::default(), None).0);
    let general = room("general");
    store.apply(&started(&general)).await.unwrap();
    (store, general)
}

/// The words of the error that lies behind another one.
fn source(error: &StoreError) -> String {
    error.source().expect("the error of Redis is kept").to_string()
}

#[tokio::test]
async fn a_port_on_which_nobody_listens_is_unreachable() {
    let settings = RedisSettings {
        address: RedisAddress::parse(&url_of(free_port())).unwrap(),
        key_prefix: "lkp:".to_owned(),
        events: EventLogSettings::default(),
        history: None,
        clock: None,
    };
    let (store, _) = RedisStore::start(&settings, Rules::default(), RedisMetrics::default());
    let error = store.apply(&started(&room("general"))).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
    assert_eq!(error.to_string(), "the store cannot be reached");
    assert!(source(&error).contains("refused"), "{}", source(&error));
}

#[tokio::test]
async fn a_redis_that_stands_still_does_not_answer_in_time() {
    let server = RedisServer::start().await;
    let (store, general) = with_a_room(&server).await;
    server.pause();
    let error = store.apply(&joined(&general, "alice", 1)).await.unwrap_err();
    server.resume();
    assert!(matches!(error, StoreError::TimedOut(_)), "{error:?}");
    assert_eq!(error.to_string(), "the store did not answer in time");
}

#[tokio::test]
async fn a_right_that_is_missing_is_refused_with_the_rights_that_are_needed() {
    let server = RedisServer::start().await;
    let (store, general) = with_a_room(&server).await;
    server.ask(&["ACL", "SETUSER", "default", "-evalsha"]).await;
    let error = store.apply(&joined(&general, "alice", 1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains("+@scripting"), "{error}");
    assert!(source(&error).contains("evalsha"), "{}", source(&error));
}

#[tokio::test]
async fn a_full_redis_refuses_and_says_so() {
    let server = RedisServer::start().await;
    let (store, general) = with_a_room(&server).await;
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let error = store.apply(&joined(&general, "alice", 1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains("raise its maxmemory"), "{error}");
    assert!(source(&error).contains("OOM"), "{}", source(&error));
}

#[tokio::test]
async fn a_replica_refuses_writes() {
    let server = RedisServer::start().await;
    let (store, general) = with_a_room(&server).await;
    let nobody = free_port().to_string();
    server.ask(&["REPLICAOF", "127.0.0.1", &nobody]).await;
    let error = store.apply(&joined(&general, "alice", 1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
    assert!(source(&error).contains("read only"), "{}", source(&error));
}

#[tokio::test]
async fn a_row_that_is_not_one_is_malformed_and_stays_as_it_is() {
    let server = RedisServer::start().await;
    let (store, general) = with_a_room(&server).await;
    let key = server.keys("lkp:room:*").await.remove(0);
    server.ask(&["HSET", &key, "m", "not a row"]).await;
    let before = server.dump(&key).await;
    let (another, _) = server.store(Rules::default(), None);
    let read = store.read(&general).await.unwrap_err();
    let applied = another.apply(&joined(&general, "alice", 1)).await.unwrap_err();
    for error in [read, applied] {
        assert!(matches!(error, StoreError::Malformed(_)), "{error:?}");
        assert!(source(&error).contains("row"), "{}", source(&error));
    }
    assert_eq!(server.dump(&key).await, before);
}

#[tokio::test]
async fn a_room_that_waits_for_another_instance_is_busy() {
    let server = RedisServer::start().await;
    let (store, general) = with_a_room(&server).await;
    let key = server.keys("lkp:room:*").await.remove(0);
    let far_away = u64::MAX >> 12;
    server.ask(&["HSET", &key, "w", &format!("another {far_away}")]).await;
    let error = store.apply(&joined(&general, "alice", 1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Busy), "{error:?}");
    assert!(error.source().is_none());
}

#[tokio::test]
async fn a_store_whose_subscription_is_refused_gets_no_changes() {
    let server = RedisServer::start().await;
    server.ask(&["ACL", "SETUSER", "default", "-subscribe"]).await;
    let (store, _) = server.store(Rules::default(), None);
    let answers = async || store.apply(&started(&room("general"))).await.is_ok();
    eventually("the store to work otherwise", answers).await;
    let error = store.check().await.unwrap_err();
    assert!(matches!(error, StoreError::NoChanges), "{error:?}");
    let error = store.follow(&room("general")).await.err().expect("nothing is followed");
    assert!(matches!(error, StoreError::TimedOut(_)), "{error:?}");
}
