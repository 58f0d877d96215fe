//! How much of the log of events is kept.

use std::time::Duration;

/// How much of the log of events is kept.
#[derive(Clone, Copy, Debug)]
pub struct EventLogSettings {
    /// For how long an event is kept, and for how long the log goes on after its last follower left.
    pub keep: Duration,
    /// The number of events that are kept.
    pub max: usize,
}

impl Default for EventLogSettings {
    fn default() -> Self {
        Self { keep: Duration::from_mins(10), max: 10_000 }
    }
}
