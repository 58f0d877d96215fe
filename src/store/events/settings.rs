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

/// What the log takes at least until its oldest events make room.
const MIN_BYTES: usize = 64 * 1024 * 1024;
/// Most events are smaller. Those with long metadata make room earlier.
const EVENT_BYTES: usize = 1024;

impl EventLogSettings {
    /// What all events that are kept may take.
    pub fn max_bytes(&self) -> usize {
        self.max.saturating_mul(EVENT_BYTES).max(MIN_BYTES)
    }
}

impl Default for EventLogSettings {
    fn default() -> Self {
        Self { keep: Duration::from_mins(10), max: 10_000 }
    }
}
