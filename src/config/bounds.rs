//! Bounds of durations that several tables share.

use std::time::Duration;

/// Shorter timeouts would end a round trip to the other side of the world.
pub(super) const MIN_TIMEOUT: Duration = Duration::from_millis(10);
pub(super) const HOUR: Duration = Duration::from_hours(1);
pub(super) const DAY: Duration = Duration::from_hours(24);
/// A longer duration would stand for "never", which no duration can express.
pub(super) const MONTH: Duration = Duration::from_hours(24 * 30);
