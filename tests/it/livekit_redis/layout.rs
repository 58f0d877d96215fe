//! Which Redis is LiveKit's.

use crate::harness::{RedisServer, eventually};

use super::fixture::{Reader, is_up, reason, start, write};

#[tokio::test]
async fn a_redis_that_livekit_does_not_use_is_not_followed_until_it_does() {
    let server = RedisServer::start().await;
    let redis = start(&server.url());
    eventually("the reason", async || reason(&redis).await.contains("livekit_version")).await;
    let told = reason(&redis).await;
    assert!(told.contains("database number") && told.contains("`redis.address`"), "{told}");
    assert!(!redis.is_up());
    server.ask(&["SET", "livekit_version", "1.8.0"]).await;
    is_up(&redis).await;
}

#[tokio::test]
async fn a_later_layout_is_not_read() {
    let server = RedisServer::start().await;
    let reader = Reader::on(&server).await;
    server.ask(&["SET", "livekit_version", "2.0.1"]).await;
    eventually("the later layout to be seen", async || !reader.redis.is_up()).await;
    let told = reason(&reader.redis).await;
    assert!(told.contains("\"2.0.1\"") && told.contains("update this service"), "{told}");
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
    eventually("the reason", async || reason(&other).await.contains("livekit_version")).await;
}
