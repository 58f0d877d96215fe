//! Where rooms live. One trait; `tests/it/store` holds the contract that every implementation keeps.
//!
//! A store applies the rules of `presence` atomically, and tells followers of a room what changed. It never decides anything
//! about LiveKit, and knows neither HTTP nor browsers.

mod about;
mod error;
mod events;
mod extra_trust;
mod feed;
mod interface;
mod memory;
mod metrics;
mod outbox;
mod position;
mod redis;
mod rooms_feed;
mod rooms_followers;
mod summary;

pub use about::RoomAbout;
pub use error::{Cause, StoreError};
#[cfg(test)]
pub(crate) use events::slow_feed;
pub use events::{
    EventFeed, EventFeedMessage, EventLogSettings, EventSource, FeedEvent, InvalidLogId, LogId,
    LoggedEvent, Resumed,
};
pub use feed::{Feed, FeedMessage, FeedSender, feed};
pub use interface::Store;
pub use memory::MemoryStore;
pub use metrics::{MeteredStore, StoreMetrics};
pub use outbox::{
    HistoryItem, ItemId, Kept, Outbox, OutboxCounts, OutboxSettings, PendingItem, RoomOpening,
};
pub use position::Position;
pub use redis::{
    ExaminedRedis, RedisMetrics, RedisPeers, RedisSettings, RedisStore, UnusableRedis,
    examine as examine_redis,
};
pub use rooms_feed::{RoomsFeed, RoomsFeedSender, TouchedRooms, rooms_feed};
pub use summary::RoomSummary;
