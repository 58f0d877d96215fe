//! What time a store on another machine takes it to be, without asking it each time.

use std::{
    sync::{Mutex, MutexGuard},
    time::Instant,
};

use crate::presence::StoreTime;

/// The store's clock as its last answer told it. Between two answers this host's steady clock carries it on, which no one sets:
/// a host whose time of day is wrong is as right here as any.
#[derive(Debug, Default)]
pub(super) struct StoreClock(Mutex<Option<Told>>);

#[derive(Clone, Copy, Debug)]
struct Told {
    time: StoreTime,
    at: Instant,
}

impl StoreClock {
    /// Takes what an answer said, which was asked for at `asked_at` and has come by `answered_at`. A newer answer replaces it, also
    /// where the store's clock stepped back, or where another server took over.
    pub fn learn(&self, time: StoreTime, asked_at: Instant, answered_at: Instant) {
        // It was read somewhere on the way: in the middle, as far as is known.
        let at = asked_at + answered_at.saturating_duration_since(asked_at) / 2;
        *self.told() = Some(Told { time, at });
    }

    /// The store's time now; none before its first answer.
    pub fn now(&self, now: Instant) -> Option<StoreTime> {
        self.told().map(|told| told.time + now.saturating_duration_since(told.at))
    }

    fn told(&self) -> MutexGuard<'_, Option<Told>> {
        self.0.lock().expect("nothing panics while it is locked")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_goes_on_from_what_the_store_said_last_also_where_that_is_earlier() {
        let clock = StoreClock::default();
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        assert_eq!(clock.now(start), None, "it has said nothing");
        clock.learn(StoreTime::from_millis(500_000), start, after(20));
        assert_eq!(clock.now(after(1_010)), Some(StoreTime::from_millis(501_000)));
        clock.learn(StoreTime::from_millis(400_000), after(2_000), after(2_000));
        assert_eq!(clock.now(after(2_500)), Some(StoreTime::from_millis(400_500)));
    }
}
