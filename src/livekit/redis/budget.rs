//! How much of LiveKit's Redis may be read in a second, and which reading has to wait for that.
//!
//! Pure: callers pass the time. The cost model:
//!
//! - A reading costs the bytes that it brings, and at least [`MIN_COST`] for its command. Everything that is read is charged,
//!   also for comparisons and clients. What it brings is known afterwards, so a bucket may run into debt, and the next reading
//!   waits.
//! - A reading is *large* if it takes more than [`LARGE_FROM`] of the rate, which is 256 KiB of 8 MiB a second.
//! - The bucket `all` fills at the rate. Every reading is charged to it. Only large readings wait for it.
//! - The bucket `small` fills at three quarters of the rate. Small readings are charged to it too, and wait for nothing else.
//!
//! - Where the size of a room is not known before it is read, it is begun, and charged, as a small one.
//!
//! So what is known to be large never delays a small reading, small ones leave at least a quarter of the rate to large ones, and all together stay
//! within the rate. Beside that, one room may use a quarter of the rate ([`ByteRate::interval`]), so a large room pays its own debt.

use std::time::{Duration, Instant};

/// What a reading costs at least: the commands, and the answer where there is nothing.
const MIN_COST: usize = 256;
/// A reading that takes more of the rate is large. Two small ones of three quarters of the rate fit into 100 ms.
const LARGE_FROM: Duration = Duration::from_micros(31_250);
/// The part of the rate that one room may use: one in this many.
const SHARE_OF_ONE: u32 = 4;
/// A bucket holds what it gets in this time.
const BURST: Duration = Duration::from_secs(1);

/// Bytes in a second.
#[derive(Clone, Copy, Debug)]
pub struct ByteRate(u64);

/// What may still be read.
#[derive(Debug)]
pub struct ByteBudget {
    rate: ByteRate,
    all: Bucket,
    small: Bucket,
}

/// A token bucket that may run into debt.
#[derive(Debug)]
struct Bucket {
    rate: ByteRate,
    /// When it will be full again.
    full_at: Instant,
}

impl ByteRate {
    pub fn new(bytes_per_second: u64) -> Self {
        Self(bytes_per_second.max(4))
    }

    /// The time between two readings of what is this large, so that they use at most a quarter of the rate.
    pub fn interval(self, bytes: usize) -> Duration {
        self.time_of(bytes) * SHARE_OF_ONE
    }

    pub fn is_large(self, bytes: usize) -> bool {
        self.time_of(bytes) > LARGE_FROM
    }

    fn time_of(self, bytes: usize) -> Duration {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / self.0)
    }
}

impl ByteBudget {
    pub fn new(rate: ByteRate, now: Instant) -> Self {
        let small = ByteRate(rate.0 / 4 * 3);
        Self {
            rate,
            all: Bucket { rate, full_at: now },
            small: Bucket { rate: small, full_at: now },
        }
    }

    pub fn is_large(&self, bytes: usize) -> bool {
        self.rate.is_large(bytes)
    }

    /// When a reading of what is this large may begin, if not now.
    pub fn ready_at(&self, bytes: usize, now: Instant) -> Option<Instant> {
        if self.rate.is_large(bytes) { self.all.ready_at(now) } else { self.small.ready_at(now) }
    }

    /// Charges a reading that brings this much, and returns what it is charged.
    pub fn take(&mut self, bytes: usize, now: Instant) -> usize {
        let cost = bytes.max(MIN_COST);
        self.take_part(cost, bytes, now);
        cost
    }

    /// Charges a part of a reading that brings `whole` bytes.
    pub fn take_part(&mut self, part: usize, whole: usize, now: Instant) {
        self.all.take(part, now);
        if !self.rate.is_large(whole) {
            self.small.take(part, now);
        }
    }
}

impl Bucket {
    /// When it is out of debt, if it is not now.
    fn ready_at(&self, now: Instant) -> Option<Instant> {
        let ready_at = self.full_at.checked_sub(BURST).unwrap_or(now);
        (ready_at > now).then_some(ready_at)
    }

    fn take(&mut self, bytes: usize, now: Instant) {
        self.full_at = self.full_at.max(now) + self.rate.time_of(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u64 = 8 * 1024 * 1024;
    const KIB: usize = 1024;
    const MIB: usize = 1024 * KIB;

    #[test]
    fn one_room_uses_a_quarter_of_the_rate_and_is_large_from_a_thirty_second_of_it() {
        let rate = ByteRate::new(RATE);
        for (bytes, millis, is_large) in [
            (0, 0, false),
            (64 * KIB, 31, false),
            (256 * KIB, 125, false),
            (256 * KIB + 1_024, 125, true),
            (64 * MIB, 32_000, true),
        ] {
            assert_eq!(rate.interval(bytes).as_millis(), millis, "{bytes}");
            assert_eq!(rate.is_large(bytes), is_large, "{bytes}");
        }
    }

    #[test]
    fn the_debt_of_a_large_reading_delays_large_readings_and_no_small_one() {
        let start = Instant::now();
        let mut budget = ByteBudget::new(ByteRate::new(RATE), start);
        budget.take(64 * MIB, start);
        assert_eq!(budget.ready_at(64 * KIB, start), None);
        assert_eq!(budget.ready_at(MIB, start), Some(start + Duration::from_secs(7)));
        budget.take(256 * KIB, start);
        assert_eq!(budget.ready_at(64 * KIB, start), None);
    }

    #[test]
    fn small_readings_alone_use_three_quarters_of_the_rate() {
        let start = Instant::now();
        let mut budget = ByteBudget::new(ByteRate::new(RATE), start);
        let (mut count, mut longest) = (0, Duration::ZERO);
        let (mut now, mut last) = (start, start);
        let end = start + Duration::from_mins(1);
        while now < end {
            match budget.ready_at(256 * KIB, now) {
                Some(at) => now = at,
                None => {
                    budget.take(256 * KIB, now);
                    longest = longest.max(now - last);
                    (count, last) = (count + 1, now);
                }
            }
        }
        // 24 a second, those of the first second twice.
        assert!((1_463..=1_466).contains(&count), "{count}");
        assert!(longest < Duration::from_millis(50), "{longest:?}");
        assert_eq!(budget.ready_at(MIB, now), None, "a quarter is left for what is large");
    }

    #[test]
    fn small_and_large_readings_together_stay_within_the_rate_and_both_go_on() {
        let start = Instant::now();
        let mut budget = ByteBudget::new(ByteRate::new(RATE), start);
        let (mut small, mut large) = (0, 0);
        for millis in 0..60_000 {
            let now = start + Duration::from_millis(millis);
            for (bytes, sum) in [(64 * KIB, &mut small), (4 * MIB, &mut large)] {
                if budget.ready_at(bytes, now).is_none() {
                    *sum += budget.take(bytes, now);
                }
            }
        }
        let second = 8 * MIB;
        assert!(small >= 60 * second / 4 * 3, "{small}");
        assert!(large >= 60 * second / 4 - 4 * MIB, "{large}");
        assert!(small + large <= 61 * second + 8 * MIB, "{small} {large}");
    }

    #[test]
    fn a_reading_that_brings_nothing_costs_its_command() {
        let start = Instant::now();
        let mut budget = ByteBudget::new(ByteRate::new(65_536), start);
        assert_eq!(budget.take(0, start), 256);
        for _ in 0..400 {
            budget.take(0, start);
        }
        assert!(budget.ready_at(0, start).is_some());
    }
}
