//! How much of the history waits for its database.

use std::time::Duration;

/// What steps add to the history.
#[derive(Clone, Copy, Debug)]
pub struct OutboxSettings {
    /// Whether metadata is kept.
    pub metadata: bool,
    /// How many items wait at most: in memory all together, in Redis of each of its 1,024 buckets. Above it the oldest are dropped,
    /// and counted.
    pub max: usize,
    /// How long the history keeps what ended. Items that it has not taken by then need not be kept longer.
    pub keep: Duration,
}
