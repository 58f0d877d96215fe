//! A reader of LiveKit's Redis, and what LiveKit writes there.

use std::sync::Arc;

use livekit_presence::{
    livekit::redis::{
        KeptChange, KeptChanges, LiveKitRedis, LiveKitRedisMetrics, LiveKitRedisSettings, Payment,
    },
    presence::RoomName,
    redis_client::RedisAddress,
};

use tokio::time::timeout;

use crate::harness::{DEADLINE, RedisServer, until, within_deadline};

/// A reader with its receiver of changes.
pub struct Reader {
    pub redis: Arc<LiveKitRedis>,
    pub changes: KeptChanges,
}

impl Reader {
    /// Follows a server that LiveKit uses, and waits until that works.
    pub async fn on(server: &RedisServer) -> Self {
        server.ask(&["SET", "livekit_version", "1.13.5"]).await;
        Self::at(&server.url()).await
    }

    /// Follows an address, and waits until that works.
    pub async fn at(url: &str) -> Self {
        let redis = start(url);
        is_up(&redis).await;
        let mut changes = redis.changes();
        assert_eq!(changes.next().await, Some(KeptChange::Everything));
        Self { redis, changes }
    }

    /// The names of those in a room, as they are now.
    pub async fn names(&self, room: &str) -> Vec<String> {
        let people = self.redis.participants(&room_name(room), Payment::Waits).await.unwrap();
        let mut names: Vec<_> =
            people.sessions.iter().map(|session| session.profile.name.clone()).collect();
        names.sort();
        names
    }

    pub async fn next(&mut self) -> KeptChange {
        within_deadline("a change", self.changes.next()).await.unwrap()
    }

    /// Waits until anything may have changed. Passes over what is told before.
    pub async fn until_everything(&mut self) {
        while self.next().await != KeptChange::Everything {}
    }
}

/// What every reader needs. `docs/configuration.md` has it.
pub const RIGHTS: [&str; 7] =
    ["+hello", "+client|tracking", "+client|id", "+hgetall", "+hget", "+get", "+ping"];
/// What it needs so that nothing is fetched that is too large.
pub const SPARING_RIGHTS: [&str; 4] = ["+hscan", "+hkeys", "+hstrlen", "+memory|usage"];
pub const KEYS: [&str; 3] = ["~room_participants:*", "~rooms", "~livekit_version"];
/// What a reader needs to see crashes of LiveKit's servers.
pub const NODES: &str = "~nodes";

pub fn start(url: &str) -> Arc<LiveKitRedis> {
    start_at(RedisAddress::parse(url).unwrap(), LiveKitRedisMetrics::default())
}

pub fn start_at(address: RedisAddress, metrics: LiveKitRedisMetrics) -> Arc<LiveKitRedis> {
    start_with(address, 8_388_608, metrics)
}

pub fn start_with(
    address: RedisAddress,
    bytes_per_second: u64,
    metrics: LiveKitRedisMetrics,
) -> Arc<LiveKitRedis> {
    LiveKitRedis::start(LiveKitRedisSettings { address, bytes_per_second }, metrics)
}

pub async fn is_up(redis: &LiveKitRedis) {
    let waited = timeout(DEADLINE, until(async || redis.is_up())).await;
    let reason = reason(redis).await;
    assert!(waited.is_ok(), "it is not up: {reason}");
}

/// Waits until it cannot be read for a reason that has all these words.
pub async fn is_down_for(redis: &LiveKitRedis, words: &[&str]) -> String {
    let is_told = async || {
        let reason = reason(redis).await.to_lowercase();
        words.iter().all(|word| reason.contains(word))
    };
    let waited = timeout(DEADLINE, until(is_told)).await;
    let reason = reason(redis).await;
    assert!(waited.is_ok(), "{words:?} are not all in: {reason}");
    assert!(!redis.is_up());
    reason
}

/// The command that makes a user `reader`, whose password is `secret`, with what every reader should have and `more` rights.
pub fn acl_of_reader<'right>(more: &[&'right str]) -> Vec<&'right str> {
    acl_with(&[&RIGHTS[..], &SPARING_RIGHTS, &KEYS, &[NODES], more].concat())
}

/// The same for one that may not see crashes of LiveKit's servers.
pub fn acl_without_nodes() -> Vec<&'static str> {
    acl_with(&[&RIGHTS[..], &SPARING_RIGHTS, &KEYS].concat())
}

/// The same with these rights alone.
pub fn acl_with<'right>(rights: &[&'right str]) -> Vec<&'right str> {
    [&["ACL", "SETUSER", "reader", "reset", "on", ">secret"][..], rights].concat()
}

/// Why it cannot be read; empty if it can.
async fn reason(redis: &LiveKitRedis) -> String {
    let read = redis.participants(&room_name("general"), Payment::Waits).await;
    read.err().map_or_else(String::new, |error| error.to_string())
}

pub fn room_name(name: &str) -> RoomName {
    RoomName::parse(name).unwrap()
}

pub fn people(room: &str) -> KeptChange {
    KeptChange::People(room_name(room))
}

pub fn key_of(room: &str) -> String {
    format!("room_participants:{room}")
}

/// A `livekit.ParticipantInfo` with a sid, an identity, a state (active) and a name.
pub fn person(identity: &str, name: &str) -> String {
    let (sid, mut value) = (format!("PA_{identity}"), String::new());
    for (tag, text) in [('\u{a}', sid.as_str()), ('\u{12}', identity)] {
        push(&mut value, tag, text);
    }
    value.push_str("\u{18}\u{2}");
    push(&mut value, '\u{4a}', name);
    value
}

/// A `livekit.Room` with a sid, a name and its metadata.
pub fn room(name: &str, metadata: &str) -> String {
    let mut value = String::new();
    push(&mut value, '\u{a}', "RM_1");
    push(&mut value, '\u{12}', name);
    push(&mut value, '\u{42}', metadata);
    value
}

fn push(message: &mut String, tag: char, text: &str) {
    message.push(tag);
    message.push(char::from(u8::try_from(text.len()).unwrap()));
    assert!(text.len() < 128, "a length of one byte");
    message.push_str(text);
}

/// Writes somebody as LiveKit does.
pub async fn write(server: &RedisServer, room: &str, identity: &str, name: &str) {
    server.ask(&["HSET", &key_of(room), identity, &person(identity, name)]).await;
}
