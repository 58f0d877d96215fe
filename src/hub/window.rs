//! How long changes are held back after some were published.

use std::time::Duration;

/// The window grows so that frames, to all subscribers together, stay below this rate.
const MAX_BYTES_PER_SEC: usize = 400_000_000;
/// The window grows to at most this, even if the rate is exceeded. (`stream.coalesce` may ask for more.)
const MAX_WINDOW: Duration = Duration::from_secs(1);

/// How long to hold back later changes after frames of `bytes` for all subscribers together. Without a window, large frames to many
/// subscribers would use up all processors.
pub(super) fn after(bytes: usize, coalesce: Duration) -> Duration {
    if coalesce.is_zero() {
        return Duration::ZERO;
    }
    let micros = u64::try_from(bytes / (MAX_BYTES_PER_SEC / 1_000_000)).unwrap_or(u64::MAX);
    Duration::from_micros(micros).min(MAX_WINDOW).max(coalesce)
}
