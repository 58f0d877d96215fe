//! What is told of, and what is not.

use std::time::{Duration, Instant};

use futures_util::FutureExt;
use livekit_presence::livekit::redis::{KeptChange, LiveKitRedisError, Payment};

use crate::harness::RedisServer;

use super::fixture::{Reader, key_of, people, room, room_name, write};

#[tokio::test]
async fn each_change_to_a_room_that_was_read_is_told_within_milliseconds() {
    let server = RedisServer::start().await;
    write(&server, "general", "alice", "Alice").await;
    write(&server, "general", "bob", "Bob").await;
    let mut reader = Reader::on(&server).await;
    assert_eq!(reader.names("general").await, ["Alice", "Bob"]);
    let mut times = Vec::new();
    for round in 0..20 {
        let name = format!("Alice {round}");
        let began = Instant::now();
        write(&server, "general", "alice", &name).await;
        assert_eq!(reader.next().await, people("general"));
        times.push(began.elapsed());
        assert_eq!(reader.names("general").await, [name.as_str(), "Bob"]);
    }
    times.sort();
    assert!(times[10] < Duration::from_millis(50), "{times:?}");
    server.ask(&["HDEL", &key_of("general"), "bob"]).await;
    assert_eq!(reader.next().await, people("general"));
    assert_eq!(reader.names("general").await, ["Alice 19"]);
    server.ask(&["DEL", &key_of("general")]).await;
    assert_eq!(reader.next().await, people("general"));
    assert_eq!(reader.names("general").await, [""; 0]);
    // A room with nobody is followed too.
    write(&server, "general", "carol", "Carol").await;
    assert_eq!(reader.next().await, people("general"));
    assert_eq!(reader.names("general").await, ["Carol"]);
}

#[tokio::test]
async fn a_room_is_told_of_once_until_it_is_read_again_and_other_rooms_never() {
    let server = RedisServer::start().await;
    let mut reader = Reader::on(&server).await;
    reader.names("general").await;
    reader.names("marker").await;
    write(&server, "other", "alice", "Alice").await;
    server.ask(&["SET", "lkp:room:{b1}:general", "ours"]).await;
    write(&server, "general", "alice", "Alice").await;
    assert_eq!(reader.next().await, people("general"));
    write(&server, "general", "alice", "Alice 2").await;
    // Redis tells in order, so that this comes after whatever those before would have caused.
    write(&server, "marker", "alice", "Alice").await;
    assert_eq!(reader.next().await, people("marker"));
}

#[tokio::test]
async fn rooms_are_listed_and_read_and_changes_to_them_are_told() {
    let server = RedisServer::start().await;
    server.ask(&["HSET", "rooms", "general", &room("general", "blue")]).await;
    server.ask(&["HSET", "rooms", "a\nb", &room("a\nb", "")]).await;
    let mut reader = Reader::on(&server).await;
    assert_eq!(reader.redis.room_names().await.unwrap().names, [room_name("general")]);
    server.ask(&["HSET", "rooms", "general", &room("general", "green")]).await;
    assert_eq!(reader.next().await, KeptChange::Rooms);
    let read = reader.redis.room(&room_name("general")).await.unwrap().unwrap();
    assert_eq!((read.metadata.as_str(), read.sid.unwrap().as_str()), ("green", "RM_1"));
    assert_eq!(reader.redis.room(&room_name("other")).await.unwrap(), None);
    server.ask(&["HDEL", "rooms", "general"]).await;
    assert_eq!(reader.next().await, KeptChange::Rooms);
    assert_eq!(reader.redis.room_names().await.unwrap().names, []);
}

#[tokio::test]
async fn the_size_of_what_was_read_is_told() {
    let server = RedisServer::start().await;
    write(&server, "general", "alice", "Alice").await;
    let reader = Reader::on(&server).await;
    let read = reader.redis.participants(&room_name("general"), Payment::Waits).await.unwrap();
    // `alice`, and what was written of her: four fields.
    assert_eq!(read.bytes, 5 + 10 + 7 + 2 + 7);
    assert_eq!(read.sessions.len(), 1);
}

#[tokio::test]
async fn a_value_that_is_no_participant_makes_its_room_unreadable_and_no_other() {
    let server = RedisServer::start().await;
    server.ask(&["HSET", &key_of("general"), "alice", "\u{a}\u{7f}short"]).await;
    let reader = Reader::on(&server).await;
    let error = reader.redis.participants(&room_name("general"), Payment::Waits).await.unwrap_err();
    assert!(matches!(error, LiveKitRedisError::Unreadable { .. }), "{error:?}");
    assert_eq!(reader.names("other").await, [""; 0]);
    server.ask(&["HSET", "rooms", "general", "\u{a}\u{7f}short"]).await;
    let error = reader.redis.room(&room_name("general")).await.unwrap_err();
    assert!(matches!(error, LiveKitRedisError::Unreadable { .. }), "{error:?}");
    assert_eq!(reader.redis.room_names().await.unwrap().names, [room_name("general")]);
}

#[tokio::test]
async fn a_key_of_another_type_is_no_list() {
    let server = RedisServer::start().await;
    server.ask(&["SET", &key_of("general"), "text"]).await;
    let reader = Reader::on(&server).await;
    let error = reader.redis.participants(&room_name("general"), Payment::Waits).await.unwrap_err();
    assert!(error.to_string().contains("WRONGTYPE"), "{error}");
    assert!(reader.redis.is_up());
}

#[tokio::test]
async fn when_all_keys_are_deleted_everything_may_have_changed() {
    let server = RedisServer::start().await;
    let mut reader = Reader::on(&server).await;
    reader.names("general").await;
    server.ask(&["FLUSHALL"]).await;
    assert_eq!(reader.next().await, KeptChange::Everything);
    // Whose Redis it is cannot be told any more.
    crate::harness::eventually("it to be down", async || !reader.redis.is_up()).await;
    server.ask(&["SET", "livekit_version", "1.13.5"]).await;
    assert_eq!(reader.next().await, KeptChange::Everything);
    assert!(reader.redis.is_up());
}

#[tokio::test]
async fn a_receiver_that_is_dropped_makes_room_for_the_next() {
    let server = RedisServer::start().await;
    let Reader { redis, changes } = Reader::on(&server).await;
    redis.participants(&room_name("general"), Payment::Waits).await.unwrap();
    drop(changes);
    write(&server, "general", "alice", "Alice").await;
    let mut changes = redis.changes();
    assert_eq!(changes.next().now_or_never(), Some(Some(KeptChange::Everything)));
    drop(redis);
    assert_eq!(changes.next().await, None);
}
