//! The store's clock, estimated between answers. Every answer of the commit script carries the time.
//!
//! The estimate is never behind the server's clock: a webhook that is applied after LiveKit was asked for a list must not look
//! older than the question. It is ahead by at most the time of a call, plus an allowance for drift that grows with its age.

use std::{
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use crate::{clock::Clock, presence::StoreTime};

/// An answer older than this is not used by [`StoreClock::now`]: the server is asked for its time.
const MAX_AGE: Duration = Duration::from_mins(1);
/// Two clocks drift apart by at most one microsecond in this many.
const DRIFT: u32 = 2_000;

pub(super) struct StoreClock {
    /// Instead of the server's; for tests that set the time.
    injected: Option<Clock>,
    known: Mutex<Option<Known>>,
}

/// The server's clock showed at most `time` at `at`.
#[derive(Clone, Copy)]
struct Known {
    at: Instant,
    time: StoreTime,
}

impl Known {
    fn at(self, moment: Instant) -> StoreTime {
        let passed = moment.saturating_duration_since(self.at);
        self.time + passed + passed / DRIFT
    }
}

impl StoreClock {
    pub fn new(injected: Option<Clock>) -> Self {
        Self { injected, known: Mutex::default() }
    }

    pub fn injected(&self) -> Option<StoreTime> {
        self.injected.as_ref().map(|clock| clock.now().as_store_time())
    }

    /// The time now by the last answer, however long ago.
    pub fn estimate(&self) -> Option<StoreTime> {
        let known = || self.known().map(|known| known.at(Instant::now()));
        self.injected().or_else(known)
    }

    /// The time now; none if the last answer is too old.
    pub fn now(&self) -> Option<StoreTime> {
        if let Some(now) = self.injected() {
            return Some(now);
        }
        let known = (*self.known())?;
        (known.at.elapsed() < MAX_AGE).then(|| known.at(Instant::now()))
    }

    /// A call that was sent at `sent` was answered with the server's time.
    pub fn learn(&self, sent: Instant, time: StoreTime) {
        let now = Instant::now();
        let latest = time + now.saturating_duration_since(sent);
        let mut known = self.known();
        let told = known.map(|known| known.at(now)).filter(|told| *told >= time);
        // An estimate behind the time that was just read is dropped: the server's clock was set, or another server answered.
        let time = told.map_or(latest, |told| told.min(latest));
        *known = Some(Known { at: now, time });
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().expect("nothing panics while it is locked")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn told(clock: &StoreClock) -> u64 {
        clock.now().unwrap().as_micros()
    }

    #[test]
    fn the_time_is_never_behind_what_the_server_told_and_ahead_by_less_than_a_call() {
        let clock = StoreClock::new(None);
        assert_eq!(clock.now(), None, "nothing was heard yet");
        let sent = Instant::now();
        clock.learn(sent, StoreTime::from_millis(5_000));
        let now = told(&clock);
        let passed = u64::try_from(sent.elapsed().as_micros()).unwrap();
        assert!((5_000_000..=5_000_000 + passed + passed / 1_000 + 1).contains(&now), "{now}");
    }

    #[test]
    fn a_slow_answer_does_not_spoil_what_a_quick_one_told() {
        let clock = StoreClock::new(None);
        let now = Instant::now();
        clock.learn(now, StoreTime::from_millis(5_000));
        clock.learn(now.checked_sub(SECOND).unwrap(), StoreTime::from_millis(5_000));
        assert!(told(&clock) < 5_500_000);
    }

    #[test]
    fn a_server_whose_clock_was_set_is_believed() {
        let clock = StoreClock::new(None);
        for millis in [5_000, 90_000, 2_000] {
            clock.learn(Instant::now(), StoreTime::from_millis(millis));
            let now = told(&clock) / 1_000;
            assert!((millis..millis + 500).contains(&now), "{now}");
        }
    }
}
