//! How often rooms are compared, and how long clients and instances wait.

use std::time::Duration;

/// How often rooms are compared, and how many calls that may cost.
#[derive(Clone, Debug)]
pub struct ReconcileSettings {
    /// A watched room is compared this often.
    pub every: Duration,
    /// Calls to LiveKit's API, of all instances together.
    pub calls_per_minute: u32,
}

/// A client that waits for LiveKit is answered after this time with what is known.
pub(super) const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(2);
/// A watched room in which somebody is called by telephone is compared this often.
pub(super) const CALLING_EVERY: Duration = Duration::from_secs(2);
/// An instance that compares a room, or asks LiveKit for its rooms, holds the lease for at most this long.
pub(super) const LEASE_TIME: Duration = Duration::from_secs(6);
/// An instance that waits for the holder of a lease looks again after this time.
pub(super) const LOOK_AGAIN_DELAY: Duration = Duration::from_millis(50);

/// Between four fifths of a time and all of it, so that rooms do not act together.
pub(super) fn jittered(time: Duration) -> Duration {
    time.mul_f64(fastrand::f64().mul_add(0.2, 0.8))
}
