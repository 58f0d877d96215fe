//! For how long a watched room has to wait for its comparison once it is due: what lists are trusted for follows from that.
//!
//! Pure: callers pass the time. Measured at the head of the line, so it needs no guess of how many rooms there are, how many
//! other instances, or what else takes calls: the rooms behind have waited for less.

use std::time::{Duration, Instant};

/// A wait counts for at least this long, and for at most twice that: who was compared last when the line ended was compared
/// late, and is trusted until its next turn.
const COUNTS_FOR: Duration = Duration::from_secs(10);

/// The longest wait of late.
#[derive(Debug)]
pub struct Pace {
    longest: Duration,
    /// Of the period before.
    before: Duration,
    period_ends: Instant,
    /// What the other instances told.
    elsewhere: Duration,
    /// Nobody could be compared before this: waiting for LiveKit is no sign of too many rooms.
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

    /// The room that has waited for longest has done so since then; none where nobody waits.
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

    /// LiveKit cannot be asked now: nobody's wait counts until it can.
    pub fn stands_still(&mut self, now: Instant) {
        self.works_since = self.works_since.max(now);
    }

    /// What the instance that has to wait longest has told.
    pub fn is_told(&mut self, elsewhere: Duration) {
        self.elsewhere = elsewhere;
    }

    /// The wait on this instance.
    pub fn own_wait(&self) -> Duration {
        self.longest.max(self.before)
    }

    /// The wait on whichever instance has the longest.
    pub fn wait(&self) -> Duration {
        self.own_wait().max(self.elsewhere)
    }

    /// For how much longer than `trust` a room is trusted that should be compared once in `every`: altogether for twice the
    /// interval that is kept.
    pub fn extra_trust(&self, every: Duration, trust: Duration) -> Duration {
        (self.wait() * 2).saturating_sub(trust.saturating_sub(every * 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_room_is_trusted_for_twice_the_interval_that_is_kept() {
        let start = Instant::now();
        let extra = |wait: u64| {
            let mut pace = Pace::new(start);
            pace.waits(Some(start), start + secs(wait));
            pace.extra_trust(secs(20), secs(60)).as_secs()
        };
        // (waits, and with the minute that everybody is trusted, twice 20 s and the wait)
        for (wait, expected) in [(0, 0), (10, 0), (11, 2), (70, 120)] {
            assert_eq!(extra(wait), expected, "{wait}");
        }
    }

    #[test]
    fn whoever_waits_in_line_is_trusted_until_its_turn() {
        let (every, trust) = (secs(20), secs(60));
        let start = Instant::now();
        let mut pace = Pace::new(start);
        // Its sign came at the start, and it is due when it should be, with all the others.
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
    fn waiting_for_livekit_to_answer_makes_nobody_trusted() {
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
