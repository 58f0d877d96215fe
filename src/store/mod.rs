//! Where rooms live. One trait; `tests/it/store` holds the contract that every implementation keeps.
//!
//! A store applies the rules of `presence` atomically, and tells followers of a room what changed. It never decides
//! anything about LiveKit, and knows neither HTTP nor browsers.

mod error;
mod extra_trust;
mod feed;
mod memory;
mod metrics;
mod redis;

pub use error::{Cause, StoreError};
pub use feed::{Feed, FeedMessage, FeedSender, feed};
pub use memory::MemoryStore;
pub use metrics::{MeteredStore, StoreMetrics};
pub use redis::{RedisAddress, RedisMetrics, RedisPeers, RedisSettings, RedisStore};

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::presence::{
    Applied, Completeness, Event, Repaired, Repairs, Room, RoomName, StoreTime, Subjects, Version,
};

/// Where rooms live.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Applies one webhook's event: all of it or nothing. When this returns, it is kept and its change is on its way to
    /// every follower.
    async fn apply(&self, event: &Event) -> Result<Applied, StoreError>;

    /// Applies repairs computed from LiveKit's answer, each only if it still holds. `subjects` are those whom they are about.
    async fn repair(
        &self,
        room: &RoomName,
        repairs: &Repairs,
        subjects: &Subjects,
    ) -> Result<Repaired, StoreError>;

    /// The room as it is now, with what is remembered of those who are gone; none where the store does not hold it.
    async fn read(&self, room: &RoomName) -> Result<Option<Arc<Room>>, StoreError>;

    /// How far the room is, without who is in it: costs the same however many are.
    async fn position(&self, room: &RoomName) -> Result<Option<Position>, StoreError>;

    /// Makes a room's version rise above one that an instance holds, which it had from this store and no client made up: the store
    /// lost what it had acknowledged. The room is lost then. Does nothing where the version is not below `held`.
    async fn advance(&self, room: &RoomName, held: Version) -> Result<(), StoreError>;

    /// Every room of the list, in no particular order.
    async fn rooms(&self) -> Result<Vec<RoomSummary>, StoreError>;

    /// Follows a room. Every change made after this returns arrives, in order, or a gap does in its place.
    async fn follow(&self, room: &RoomName) -> Result<Feed, StoreError>;

    /// Keeps a room that is being watched from being forgotten for another day.
    async fn renew(&self, room: &RoomName) -> Result<(), StoreError>;

    /// From now on a room is trusted for so much longer than [`Rules::trust`](crate::presence::Rules): its turn to be compared
    /// comes that late. What the store tells of trust is without it, so that it holds for what was told before, too.
    fn trust_longer(&self, by: Duration);

    /// The store's clock, by which it stamps what it applies.
    async fn now(&self) -> Result<StoreTime, StoreError>;

    /// The store's clock as its last answer told it, carried on by this host's steady clock: costs no call, and does not care what
    /// time this host takes it to be. None before the first answer.
    fn estimated_now(&self) -> Option<StoreTime>;

    /// Whether it can be reached, and its changes arrive.
    async fn check(&self) -> Result<(), StoreError>;
}

/// How far a room is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub version: Version,
    /// As [`Room::completeness`].
    pub completeness: Completeness,
    /// As [`Room::compared_at`].
    pub compared_at: StoreTime,
}

impl Position {
    pub fn of(room: &Room) -> Self {
        Self {
            version: room.version(),
            completeness: room.completeness(),
            compared_at: room.compared_at(),
        }
    }
}

/// A room in the list of rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomSummary {
    pub name: RoomName,
    /// How many participants clients see in it.
    pub count: usize,
    /// Whether that is known to be everybody.
    pub is_complete: bool,
}
