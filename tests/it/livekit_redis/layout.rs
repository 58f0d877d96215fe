//! Which Redis is LiveKit's.

use crate::harness::RedisServer;

use super::fixture::{Reader, is_down_for, is_up, start, write};

#[tokio::test]
async fn a_redis_that_livekit_does_not_use_is_not_followed_until_it_does() {
    let server = RedisServer::start().await;
    let redis = start(&server.url());
    is_down_for(&redis, &["livekit_version", "database number", "`redis.address`"]).await;
    server.ask(&["SET", "livekit_version", "1.8.0"]).await;
    is_up(&redis).await;
}

#[tokio::test]
async fn a_later_layout_is_not_read() {
    let server = RedisServer::start().await;
    let reader = Reader::on(&server).await;
    server.ask(&["SET", "livekit_version", "2.0.1"]).await;
    is_down_for(&reader.redis, &["\"2.0.1\"", "update this service"]).await;
}

#[tokio::test]
async fn a_database_has_its_own_rooms() {
    let server = RedisServer::start().await;
    write(&server, "general", "zoe", "Zoe").await;
    for key in ["livekit_version", "room_participants:general"] {
        server.ask(&["SET", "livekit_version", "1.13.5"]).await;
        server.ask(&["MOVE", key, "3"]).await;
    }
    server.ask(&["DEL", "livekit_version"]).await;
    write(&server, "general", "alice", "Alice").await;
    let reader = Reader::at(&format!("{}/3", server.url())).await;
    assert_eq!(reader.names("general").await, ["Zoe"]);
    let other = start(&server.url());
    is_down_for(&other, &["livekit_version"]).await;
}
