//! How long a watched room has to wait for its comparison once it is due. How long lists are trusted follows from that.
//!
//! Pure: callers pass the time. The wait is measured at the head of the line, because the rooms behind have waited for less. So
//! it needs no guess of the number of rooms and instances, or of what else takes calls.

use std::time::{Duration, Instant};

/// A wait counts for at least this long, and at most twice that. It outlasts the queue because the last room in it was compared
/// late, and has to be trusted until its next turn.
const COUNTS_FOR: Duration = Duration::from_secs(10);

/// The longest wait of late.
#[derive(Debug)]
pub struct Pace {
    longest: Duration,
    /// Of the period before.
    before: Duration,
    period_ends: Instant,
    /// The longest wait that the other instances told.
    elsewhere: Duration,
    /// No room could be compared before this. Waits for LiveKit are not a sign of too many rooms, so they count from here only.
    works_since: Instant,
}

impl Pace {
    pub fn new(now: Instant) -> Self {
        Self {
            longest: Duration::ZERO,
            before: Duration::ZERO,
            period_ends: now + COUNTS_FOR,
            elsewhere: Duration::ZERO,
            works_since: now,
        }
    }

    /// Notes since when the longest-waiting room has waited; none if no room waits.
    pub fn waits(&mut self, since: Option<Instant>, now: Instant) {
        if now >= self.period_ends {
            let is_recent = now < self.period_ends + COUNTS_FOR;
            self.before = if is_recent { self.longest } else { Duration::ZERO };
            self.longest = Duration::ZERO;
            self.period_ends = now + COUNTS_FOR;
        }
        let since = since.map(|since| since.max(self.works_since));
        let wait = since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.longest = self.longest.max(wait);
    }

    /// LiveKit cannot be asked now: no wait counts until it can.
    pub fn stands_still(&mut self, now: Instant) {
        self.works_since = self.works_since.max(now);
    }

    /// Notes the longest wait of all instances.
    pub fn is_told(&mut self, elsewhere: Duration) {
        self.elsewhere = elsewhere;
    }

    /// The wait on this instance.
    pub fn own_wait(&self) -> Duration {
        self.longest.max(self.before)
    }

    /// The longest wait of all instances.
    pub fn wait(&self) -> Duration {
        self.own_wait().max(self.elsewhere)
    }

    /// How much longer than `trust` to trust a room that should be compared once in `interval`, so that it is trusted for twice the
    /// interval that is possible now.
    pub fn extra_trust(&self, interval: Duration, trust: Duration) -> Duration {
        (self.wait() * 2).saturating_sub(trust.saturating_sub(interval * 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_room_is_trusted_for_twice_the_interval_that_can_be_kept() {
        let start = Instant::now();
        let extra = |wait: u64| {
            let mut pace = Pace::new(start);
            pace.waits(Some(start), start + secs(wait));
            pace.extra_trust(secs(20), secs(60)).as_secs()
        };
        // (the wait, and what makes a minute of trust twice 20 s and the wait)
        for (wait, expected) in [(0, 0), (10, 0), (11, 2), (70, 120)] {
            assert_eq!(extra(wait), expected, "{wait}");
        }
    }

    #[test]
    fn a_room_that_waits_in_line_is_trusted_until_its_turn() {
        let (every, trust) = (secs(20), secs(60));
        let start = Instant::now();
        let mut pace = Pace::new(start);
        // The room was confirmed at the start, and is due when it should be, together with all others.
        let due = start + every;
        for after in 0..1_000 {
            let now = start + secs(after);
            pace.waits((now > due).then_some(due), now);
            let trusted = trust + pace.extra_trust(every, trust);
            assert!(trusted > secs(after), "{after} s: {trusted:?}");
        }
    }

    #[test]
    fn a_wait_counts_for_a_while_after_the_line_ended() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.waits(Some(start), start + secs(9));
        for (after, expected) in [(9, 9), (11, 9), (19, 9), (22, 0)] {
            pace.waits(None, start + secs(after));
            assert_eq!(pace.wait(), secs(expected), "after {after}");
        }
    }

    #[test]
    fn a_wait_for_livekit_to_answer_makes_no_room_trusted_for_longer() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.stands_still(start + secs(300));
        pace.waits(Some(start), start + secs(301));
        assert_eq!(pace.wait(), secs(1));
    }

    #[test]
    fn the_longest_wait_of_all_instances_counts() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.waits(Some(start), start + secs(5));
        pace.is_told(secs(50));
        assert_eq!((pace.own_wait(), pace.wait()), (secs(5), secs(50)));
    }
}
