//! LiveKit's Redis is behind Sentinels.

use crate::harness::RedisSentinels;

use super::fixture::{Reader, acl_of_reader, people, write};

async fn started() -> (RedisSentinels, Reader) {
    let redis = RedisSentinels::start().await;
    redis.servers[0].ask(&["SET", "livekit_version", "1.13.5"]).await;
    write(&redis.servers[0], "general", "alice", "Alice").await;
    let mut reader = Reader::at(&redis.url()).await;
    reader.names("general").await;
    write(&redis.servers[0], "general", "alice", "Alice 2").await;
    assert_eq!(reader.next().await, people("general"));
    (redis, reader)
}

/// What the new master is told reaches the reader.
async fn follows(redis: &RedisSentinels, reader: &mut Reader, master: usize) {
    reader.until_everything().await;
    assert_eq!(reader.names("general").await, ["Alice 2"]);
    write(&redis.servers[master], "general", "alice", "Alice 3").await;
    while reader.names("general").await != ["Alice 3"] {
        reader.next().await;
    }
}

#[tokio::test]
async fn a_master_that_is_killed_is_followed_in_the_next() {
    let (mut redis, mut reader) = started().await;
    redis.kill_master().await;
    let master = redis.until_another_is_master(0).await;
    follows(&redis, &mut reader, master).await;
}

#[tokio::test]
async fn a_master_that_is_demoted_and_lives_is_left() {
    let (redis, mut reader) = started().await;
    let master = redis.demote_master().await;
    follows(&redis, &mut reader, master).await;
}

#[tokio::test]
async fn a_user_behind_sentinels_needs_one_right_more() {
    let (redis, _) = started().await;
    for server in &redis.servers {
        server.ask(&acl_of_reader(&["+role"])).await;
    }
    let url = redis.url().replace("redis+sentinel://", "redis+sentinel://reader:secret@");
    let reader = Reader::at(&url).await;
    assert_eq!(reader.names("general").await, ["Alice 2"]);
    assert_eq!(redis.servers[0].ask(&["ACL", "LOG"]).await.texts(), [""; 0]);
}
