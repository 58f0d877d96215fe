//! Where rooms live. One trait; `tests/it/store` holds the contract that every implementation keeps.
//!
//! A store applies the rules of `presence` atomically, and tells whoever follows a room what changed. It never decides
//! anything about LiveKit, and knows neither HTTP nor browsers.

mod feed;
mod memory;
mod metrics;

pub use feed::{Feed, FeedMessage, FeedSender, feed};
pub use memory::MemoryStore;
pub use metrics::{MeteredStore, StoreMetrics};

use std::sync::Arc;

use async_trait::async_trait;

use crate::presence::{Applied, Event, Repaired, Repairs, Room, RoomName, StoreTime};

/// Where rooms live.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Applies one webhook's event: all of it or nothing. When this returns, it is kept and its change is on its way to
    /// every follower.
    async fn apply(&self, event: &Event) -> Result<Applied, StoreError>;

    /// Applies repairs computed from LiveKit's answer, each only if it still holds.
    async fn repair(&self, room: &RoomName, repairs: &Repairs) -> Result<Repaired, StoreError>;

    /// The room as it is now; none where the store does not hold it.
    async fn read(&self, room: &RoomName) -> Result<Option<Arc<Room>>, StoreError>;

    /// Every room that is to be listed, in no particular order.
    async fn rooms(&self) -> Result<Vec<RoomSummary>, StoreError>;

    /// Follows a room. Every change made after this returns arrives, in order, or a gap does in its place.
    async fn follow(&self, room: &RoomName) -> Result<Feed, StoreError>;

    /// Keeps a room that is being watched from being forgotten for another day.
    async fn renew(&self, room: &RoomName) -> Result<(), StoreError>;

    /// The store's clock, by which it stamps what it applies. Also shows that it can be reached.
    async fn now(&self) -> Result<StoreTime, StoreError>;
}

/// A room in the list of rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomSummary {
    pub name: RoomName,
    /// How many participants readers see in it.
    pub count: usize,
    /// Whether that is known to be everybody.
    pub is_whole: bool,
}

/// The store could not do it. What was asked for may be asked again: it happened as a whole or not at all.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the store cannot be reached: {reason}")]
pub struct StoreError {
    pub reason: String,
}
