//! How a store on Redis is set up.

use crate::{
    clock::Clock,
    redis_client::RedisAddress,
    store::{EventLogSettings, outbox::OutboxSettings},
};

/// Where rooms are kept, and under which names.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    pub address: RedisAddress,
    /// Before every key. Without braces, which would move a Cluster's hash tag.
    pub key_prefix: String,
    /// How much of the log of events is kept.
    pub events: EventLogSettings,
    /// What steps add to the history; none where no history is kept.
    pub history: Option<OutboxSettings>,
    /// Instead of the server's clock; for tests that set the time.
    pub clock: Option<Clock>,
}
