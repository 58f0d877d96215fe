//! Rooms and values that are large, and a link that is slow.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use livekit_presence::{
    livekit::redis::{LiveKitRedisError, LiveKitRedisMetrics, Payment},
    redis_client::RedisAddress,
};
use redis::{AsyncConnectionConfig, aio::MultiplexedConnection};

use crate::harness::{RedisServer, TcpProxy, eventually, url_of};

use super::fixture::{
    KEYS, RIGHTS, Reader, acl_with, is_up, key_of, people, person, room, room_name, start_with,
    write,
};

const MEGABYTE: usize = 1024 * 1024;

/// Somebody with metadata of this length.
fn large_person(identity: &str, bytes: usize) -> Vec<u8> {
    with_text(person(identity, "Large"), 0x2a, bytes)
}

/// The message with another field, a text of this length.
fn with_text(message: String, tag: u8, bytes: usize) -> Vec<u8> {
    let mut value = message.into_bytes();
    value.push(tag);
    let mut length = bytes;
    while length >= 0x80 {
        value.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    value.push(u8::try_from(length).unwrap());
    value.resize(value.len() + bytes, b'x');
    value
}

async fn connect(server: &RedisServer) -> MultiplexedConnection {
    let client = redis::Client::open(server.url()).unwrap();
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    client.get_multiplexed_async_connection_with_config(&config).await.unwrap()
}

/// Keeps this many people in a room, of whom each takes ten kilobytes.
async fn fill(server: &RedisServer, room: &str, people: usize) {
    let mut connection = connect(server).await;
    let numbers: Vec<_> = (0..people).collect();
    for some in numbers.chunks(100) {
        let mut written = redis::cmd("HSET");
        written.arg(key_of(room));
        for number in some {
            let identity = format!("person-{number}");
            written.arg(&identity).arg(large_person(&identity, 10_000));
        }
        written.exec_async(&mut connection).await.unwrap();
    }
}

/// Keeps one value in a hash.
async fn keep(server: &RedisServer, key: &str, field: &str, value: &[u8]) {
    let mut written = redis::cmd("HSET");
    written.arg(key).arg(field).arg(value);
    written.exec_async(&mut connect(server).await).await.unwrap();
}

/// What the server has sent so far.
async fn sent(server: &RedisServer) -> usize {
    let info = server.ask(&["INFO", "stats"]).await.text();
    let line = info.lines().find_map(|line| line.strip_prefix("total_net_output_bytes:")).unwrap();
    line.trim().parse().unwrap()
}

/// Twelve megabytes by four a second: longer than two pings may take.
#[tokio::test]
async fn a_room_that_takes_seconds_to_read_is_read_and_delays_no_other() {
    let server = RedisServer::start().await;
    fill(&server, "large", 1_200).await;
    write(&server, "small", "alice", "Alice").await;
    server.ask(&["SET", "livekit_version", "1.13.5"]).await;
    let proxy = TcpProxy::start(server.port).await;
    let reader = Reader::at(&url_of(proxy.port)).await;
    let connections = proxy.connections();
    proxy.narrow(4_000_000);
    let redis = Arc::clone(&reader.redis);
    let reading =
        tokio::spawn(async move { redis.participants(&room_name("large"), Payment::Waits).await });
    let began = Instant::now();
    let mut longest = Duration::ZERO;
    while !reading.is_finished() {
        let asked = Instant::now();
        assert_eq!(reader.names("small").await, ["Alice"]);
        longest = longest.max(asked.elapsed());
    }
    let took = began.elapsed();
    println!("the large room took {took:?}, the small one at most {longest:?}");
    let people = reading.await.unwrap().unwrap();
    assert_eq!(people.sessions.len(), 1_200);
    assert!(took > Duration::from_secs(2), "{took:?}");
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    assert_eq!(proxy.connections(), connections, "the connection was lost");
}

#[tokio::test]
async fn a_value_that_is_too_large_is_not_fetched_and_every_other_room_is_read() {
    let server = RedisServer::start().await;
    write(&server, "small", "alice", "Alice").await;
    keep(&server, &key_of("large"), "bob", &large_person("bob", 80 * MEGABYTE)).await;
    let value = with_text(room("large", ""), 0x42, 80 * MEGABYTE);
    keep(&server, "rooms", "large", &value).await;
    keep(&server, "rooms", "small", room("small", "").as_bytes()).await;
    let reader = Reader::on(&server).await;
    let before = sent(&server).await;
    let error = reader.redis.participants(&room_name("large"), Payment::Waits).await.unwrap_err();
    assert!(error.to_string().contains("too large"), "{error}");
    let error = reader.redis.room(&room_name("large")).await.unwrap_err();
    assert!(error.to_string().contains("too large"), "{error}");
    let mut names = reader.redis.room_names().await.unwrap().names;
    names.sort();
    assert_eq!(names, [room_name("large"), room_name("small")]);
    assert_eq!(reader.names("small").await, ["Alice"]);
    let fetched = sent(&server).await - before;
    assert!(fetched < 100_000, "{fetched} bytes");
}

#[tokio::test]
async fn a_change_to_a_room_that_was_read_in_pieces_is_told() {
    let server = RedisServer::start().await;
    fill(&server, "large", 100).await;
    let mut reader = Reader::on(&server).await;
    assert_eq!(reader.names("large").await.len(), 100);
    write(&server, "large", "alice", "Alice").await;
    assert_eq!(reader.next().await, people("large"));
    assert_eq!(reader.names("large").await.len(), 101);
}

#[tokio::test]
async fn whoever_stays_is_in_a_room_that_is_read_while_others_come_and_go() {
    let server = RedisServer::start().await;
    fill(&server, "large", 300).await;
    let reader = Reader::on(&server).await;
    let mut connection = connect(&server).await;
    let writing = tokio::spawn(async move {
        for number in 0.. {
            let (key, identity) = (key_of("large"), format!("guest-{}", number % 900));
            let mut written = redis::pipe();
            written.hset(&key, &identity, large_person(&identity, 500));
            written.hdel(&key, format!("guest-{}", (number + 450) % 900));
            written.exec_async(&mut connection).await.unwrap();
        }
    });
    for _ in 0..20 {
        // More than it costs.
        let paid = Payment::Granted(64 * 1024 * 1024);
        let room = reader.redis.participants(&room_name("large"), paid).await;
        let sessions = room.unwrap().sessions;
        let sids: HashSet<_> = sessions.iter().map(|session| session.sid.to_string()).collect();
        assert_eq!(sids.len(), sessions.len(), "nobody is there twice");
        assert!((0..300).all(|number| sids.contains(&format!("PA_person-{number}"))));
    }
    writing.abort();
}

/// A user who may not ask for sizes.
async fn with_few_rights(server: &RedisServer) {
    server.ask(&["SET", "livekit_version", "1.13.5"]).await;
    server.ask(&acl_with(&[&RIGHTS[..], &KEYS].concat())).await;
}

#[tokio::test]
async fn without_the_rights_to_ask_for_sizes_all_is_read_too() {
    let server = RedisServer::start().await;
    with_few_rights(&server).await;
    fill(&server, "large", 100).await;
    keep(&server, "rooms", "large", room("large", "").as_bytes()).await;
    let mut reader = Reader::at(&format!("redis://reader:secret@127.0.0.1:{}", server.port)).await;
    assert_eq!(reader.names("large").await.len(), 100);
    assert_eq!(reader.redis.room_names().await.unwrap().names, [room_name("large")]);
    assert!(reader.redis.room(&room_name("large")).await.unwrap().is_some());
    write(&server, "large", "alice", "Alice").await;
    assert_eq!(reader.next().await, people("large"));
}

#[tokio::test]
async fn without_them_a_room_that_takes_too_long_twice_is_left_alone() {
    let server = RedisServer::start().await;
    with_few_rights(&server).await;
    fill(&server, "large", 1_600).await;
    write(&server, "small", "alice", "Alice").await;
    let proxy = TcpProxy::start(server.port).await;
    let reader = Reader::at(&format!("redis://reader:secret@127.0.0.1:{}", proxy.port)).await;
    proxy.narrow(3_000_000);
    let large = room_name("large");
    let mut slow = 0;
    let error = loop {
        match reader.redis.participants(&large, Payment::Waits).await.unwrap_err() {
            LiveKitRedisError::Down(_) => slow += 1,
            error => break error,
        }
        is_up(&reader.redis).await;
    };
    println!("{slow} tries");
    assert!(matches!(error, LiveKitRedisError::TooLarge { bytes: None }), "{error:?}");
    let connections = proxy.connections();
    for _ in 0..5 {
        assert!(reader.redis.participants(&large, Payment::Waits).await.is_err());
        assert_eq!(reader.names("small").await, ["Alice"]);
    }
    assert_eq!(proxy.connections(), connections);
}

#[tokio::test]
async fn a_reading_waits_for_the_budget_and_fails_if_that_takes_long() {
    let server = RedisServer::start().await;
    server.ask(&["SET", "livekit_version", "1.13.5"]).await;
    fill(&server, "large", 30).await;
    write(&server, "small", "alice", "Alice").await;
    let address = RedisAddress::parse(&server.url()).unwrap();
    let redis = start_with(address, 262_144, LiveKitRedisMetrics::default());
    is_up(&redis).await;
    let read = |room: &str| {
        let room = room_name(room);
        let redis = Arc::clone(&redis);
        async move { redis.participants(&room, Payment::Waits).await }
    };
    // A second's worth and an overdraft.
    assert_eq!(read("large").await.unwrap().sessions.len(), 30);
    let error = loop {
        if let Err(error) = read("large").await {
            break error;
        }
    };
    assert!(matches!(error, LiveKitRedisError::OverBudget { .. }), "{error:?}");
    let began = Instant::now();
    assert_eq!(read("small").await.unwrap().sessions.len(), 1);
    assert!(began.elapsed() < Duration::from_millis(400), "{:?}", began.elapsed());
    eventually("the large room to be read again", async || read("large").await.is_ok()).await;
}

#[tokio::test]
async fn what_cannot_be_read_keeps_its_size() {
    let server = RedisServer::start().await;
    fill(&server, "large", 30).await;
    keep(&server, &key_of("small"), "bob", &[0xff; 100]).await;
    keep(&server, &key_of("large"), "bob", &[0xff; 100]).await;
    let reader = Reader::on(&server).await;
    for (room, least) in [("small", 100), ("large", 10_000)] {
        let error = reader.redis.participants(&room_name(room), Payment::Waits).await.unwrap_err();
        let LiveKitRedisError::Unreadable { bytes, .. } = error else { panic!("{error:?}") };
        assert!(bytes >= least, "{room}: {bytes}");
    }
}
