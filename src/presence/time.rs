//! The clocks of the rules, kept apart by type so that no rule compares them, and the version that orders what clients see.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment by the store's clock, in microseconds since the Unix epoch. What a store stamps is compared only with the time that a
/// store tells. (One metric takes a join time for a store's time; no rule does.)
///
/// The clock of this machine is another one, and may be minutes off:
///
/// ```compile_fail,E0308
/// use livekit_presence::presence::{HostTime, StoreTime};
/// let is_over = StoreTime::from_millis(1) < HostTime::from_millis(2);
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct StoreTime(u64);

/// A moment by the clock of a host, in microseconds since the Unix epoch. It tells when tokens end, and decides nothing about a
/// room.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct HostTime(u64);

/// What the moments by both clocks have in common.
macro_rules! moment {
    ($moment:ident) => {
        impl $moment {
            pub const fn from_micros(micros: u64) -> Self {
                Self(micros)
            }

            pub const fn from_millis(millis: u64) -> Self {
                Self(millis * 1000)
            }

            pub const fn as_micros(self) -> u64 {
                self.0
            }

            pub const fn as_millis(self) -> u64 {
                self.0 / 1000
            }

            /// The time from `earlier` to here; zero when `earlier` is later.
            pub fn since(self, earlier: Self) -> Duration {
                Duration::from_micros(self.0.saturating_sub(earlier.0))
            }
        }

        impl std::ops::Add<Duration> for $moment {
            type Output = Self;

            fn add(self, duration: Duration) -> Self {
                let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
                Self(self.0.saturating_add(micros))
            }
        }

        impl std::ops::Sub<Duration> for $moment {
            type Output = Self;

            fn sub(self, duration: Duration) -> Self {
                let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
                Self(self.0.saturating_sub(micros))
            }
        }
    };
}

moment!(StoreTime);
moment!(HostTime);

impl HostTime {
    /// Whole seconds since the Unix epoch, the unit of a JWT's `exp` and `nbf`.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000
    }

    /// The same moment for a store that has no clock but its host's.
    pub const fn as_store_time(self) -> StoreTime {
        StoreTime(self.0)
    }
}

/// A moment by LiveKit's clock, in milliseconds since the Unix epoch.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct LiveKitTime(i64);

impl LiveKitTime {
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    pub const fn as_millis(self) -> i64 {
        self.0
    }

    pub(super) const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

/// Orders everything that a client can see of one room. It only rises, and stays near the store's clock in microseconds, so that
/// it goes on rising after a store has lost everything. Zero stands for a room that the store has never held.
///
/// It stays below 2^53 until the year 2255, so a JavaScript number holds it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Version(u64);

/// How far a version can be ahead of the store's clock: of a room that changes more often than the clock ticks, or after the
/// clock stepped back.
const MAX_AHEAD: Duration = Duration::from_secs(1);

impl Version {
    pub const ZERO: Self = Self(0);

    pub const fn from_u64(version: u64) -> Self {
        Self(version)
    }

    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The version of a change made at `now`.
    #[must_use]
    pub fn next(self, now: StoreTime) -> Self {
        Self((self.0 + 1).max(now.as_micros()))
    }

    /// Whether a store can have given it by `now`. A client could name a higher one, above which no real version would be shown.
    pub fn is_plausible_at(self, now: StoreTime) -> bool {
        self.0 <= (now + MAX_AHEAD).as_micros()
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_follows_the_clock_and_never_runs_back() {
        let first = Version::ZERO.next(StoreTime::from_micros(1_000));
        assert_eq!(first, Version::from_u64(1_000));
        let clock_stepped_back = first.next(StoreTime::from_micros(400));
        assert_eq!(clock_stepped_back, Version::from_u64(1_001));
    }
}
