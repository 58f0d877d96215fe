//! Whether LiveKit's API answers, and how long calls pause while it does not.

use std::time::{Duration, Instant};

/// While LiveKit's API is down the pause between two calls doubles, up to this.
pub const MAX_BACKOFF: Duration = Duration::from_secs(10);
pub const FIRST_BACKOFF: Duration = Duration::from_millis(500);

/// Whether LiveKit's API answers.
pub enum Health {
    Up,
    Down { since: Instant, backoff: Duration },
}
