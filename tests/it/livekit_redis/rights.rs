//! What a user of Redis must be allowed, and what is told where a right, or a protocol, is missing.

use livekit_presence::{
    livekit::redis::{LiveKitRedisMetrics, Payment},
    redis_client::RedisAddress,
};

use crate::harness::{CommandFilter, RedisServer, eventually, url_of};

use super::fixture::{
    KEYS, NODES, RIGHTS, Reader, acl_of_reader, acl_with, is_down_for, is_up, people, room_name,
    start, start_at, write,
};

async fn give(server: &RedisServer, rights: &[&str]) {
    server.ask(&acl_with(rights)).await;
}

fn url(server: &RedisServer, end: &str) -> String {
    format!("redis://reader:secret@127.0.0.1:{}{end}", server.port)
}

#[tokio::test]
async fn a_user_who_may_read_these_keys_is_enough() {
    let server = RedisServer::start().await;
    server.ask(&["SET", "livekit_version", "1.13.5"]).await;
    server.ask(&acl_of_reader(&[])).await;
    let mut reader = Reader::at(&url(&server, "")).await;
    reader.names("general").await;
    reader.redis.room_names().await.unwrap();
    reader.redis.room(&room_name("general")).await.unwrap();
    write(&server, "general", "alice", "Alice").await;
    assert_eq!(reader.next().await, people("general"));
    server.ask(&["HSET", "nodes", "ND_1", "1"]).await;
    eventually("its servers to be seen", async || reader.redis.sees_nodes()).await;
    // Nothing was refused, not even once.
    assert_eq!(server.ask(&["ACL", "LOG"]).await.texts(), [""; 0]);
}

#[tokio::test]
async fn a_right_that_is_missing_is_named() {
    let server = RedisServer::start().await;
    server.ask(&["SET", "livekit_version", "1.13.5"]).await;
    let all = [&RIGHTS[..], &KEYS, &[NODES]].concat();
    // Without NODES it is followed. HELLO is never refused, and CLIENT ID and PING are sent to Clusters alone.
    for (missing, told) in [
        ("+client|tracking", "'client|tracking'"),
        ("+hgetall", "'hgetall'"),
        ("+hget", "'hget'"),
        ("+get", "'get'"),
        ("~room_participants:*", "access"),
        ("~rooms", "access"),
        ("~livekit_version", "access"),
    ] {
        let rights: Vec<_> = all.iter().copied().filter(|right| *right != missing).collect();
        give(&server, &rights).await;
        let redis = start(&url(&server, ""));
        let reason = is_down_for(&redis, &["noperm", "+client|tracking", told]).await;
        assert!(!reason.contains("secret"), "{missing}: {reason}");
        give(&server, &all).await;
        is_up(&redis).await;
    }
}

#[tokio::test]
async fn a_database_number_needs_one_right_more() {
    let server = RedisServer::start().await;
    server.ask(&["SET", "livekit_version", "1.13.5"]).await;
    server.ask(&["MOVE", "livekit_version", "2"]).await;
    server.ask(&acl_of_reader(&[])).await;
    is_down_for(&start(&url(&server, "/2")), &["'select'", "+select"]).await;
    server.ask(&acl_of_reader(&["+select"])).await;
    let reader = Reader::at(&url(&server, "/2")).await;
    reader.names("general").await;
}

#[tokio::test]
async fn a_wrong_password_is_told_without_it() {
    let server = RedisServer::with_password("right").await;
    let redis = start(&format!("redis://:wrong-one@127.0.0.1:{}", server.port));
    let reason = is_down_for(&redis, &["password", "`livekit.redis_url`"]).await;
    assert!(!reason.contains("wrong-one"), "{reason}");
}

#[tokio::test]
async fn without_resp3_nothing_is_followed_and_the_reason_is_told() {
    let server = RedisServer::start().await;
    let filter = CommandFilter::start(server.port, "HELLO").await;
    let redis = start(&url_of(filter.port));
    is_down_for(&redis, &["redis 6"]).await;
    let old = RedisServer::with(&["--rename-command", "HELLO", ""]).await;
    let redis_5 = start(&old.url());
    is_down_for(&redis_5, &["redis 6"]).await;
}

#[tokio::test]
async fn tls_with_an_authority_of_ones_own() {
    let server = RedisServer::with_tls().await;
    server.ask(&["SET", "livekit_version", "1.13.5"]).await;
    let address = |authority| {
        let url = format!("rediss://localhost:{}", server.tls_port);
        RedisAddress::parse(&url).unwrap().with_authority(authority)
    };
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/ca.pem");
    let known = address(Some(std::fs::read(file).unwrap()));
    let redis = start_at(known, LiveKitRedisMetrics::default());
    is_up(&redis).await;
    let mut changes = redis.changes();
    changes.next().await;
    redis.participants(&room_name("general"), Payment::Waits).await.unwrap();
    write(&server, "general", "alice", "Alice").await;
    assert_eq!(changes.next().await, Some(people("general")));
    let unknown = start_at(address(None), LiveKitRedisMetrics::default());
    is_down_for(&unknown, &["certificate", "livekit.redis_ca_file"]).await;
}

#[tokio::test]
async fn a_replica_is_not_read_because_it_may_be_late() {
    let server = RedisServer::start().await;
    server.ask(&["SET", "livekit_version", "1.13.5"]).await;
    let replica = RedisServer::replica_of(server.port).await;
    let redis = start(&replica.url());
    is_down_for(&redis, &["replica"]).await;
    replica.ask(&["REPLICAOF", "NO", "ONE"]).await;
    is_up(&redis).await;
    replica.ask(&["REPLICAOF", "127.0.0.1", &server.port.to_string()]).await;
    eventually("it to be down", async || !redis.is_up()).await;
}
