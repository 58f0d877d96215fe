//! The budget of calls to LiveKit's API. LiveKit Cloud allows 1,000 a minute, and the application wants some of them.
//!
//! Pure: callers pass the time. A call is taken from the bucket of all calls and from the shares of its purpose, so that neither
//! clients who wait nor anybody else can use up what watched rooms need. The other purposes leave some calls for clients who
//! wait: a client gets one at once, or is answered without. Moderators go first: no share bounds their calls, and nothing is kept
//! from them. Removals of banned people go before comparisons, and have a share, because anybody with an old token causes them.

use std::time::{Duration, Instant};

use crate::coordination::CallBucket;

use super::queue::Importance;

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallPurpose {
    /// A client waits. At most half of all calls.
    Waiting,
    /// A watched room, or a liveness probe in one.
    Watched,
    /// A watched room in which somebody is called. At most three tenths of all calls, because such a room is compared ten times
    /// as often as others.
    Calling,
    /// Everything else. Together with `Waiting` at most 70 %: the rest is kept for watched rooms.
    Other,
    /// A person has LiveKit change something.
    Moderation,
    /// Somebody who is banned came again. At most a quarter of all calls, and a quarter of the bucket is left to moderators and
    /// to clients who wait.
    Removal,
}

impl CallPurpose {
    /// What the call for a comparison of this importance is for.
    pub fn of(importance: Importance) -> Self {
        match importance {
            Importance::Waiting => Self::Waiting,
            Importance::Suspicious | Importance::Watched => Self::Watched,
            Importance::Calling => Self::Calling,
            Importance::Known | Importance::Listed => Self::Other,
        }
    }
}

/// A token bucket that refills evenly.
#[derive(Debug)]
struct Bucket {
    /// The bucket that all instances share, which has the same size.
    shared: CallBucket,
    /// When it will be full again.
    full_at: Instant,
}

impl Bucket {
    fn new(name: &'static str, calls_per_minute: f64, now: Instant) -> Self {
        let cost = Duration::from_secs_f64(60.0 / calls_per_minute.max(0.1));
        // A tenth of a minute's calls at once, and at least one.
        let burst = Duration::from_secs(6).max(cost);
        let shared = CallBucket { name, cost, burst, reserve: Duration::ZERO };
        Self { shared, full_at: now }
    }

    /// When the next call may be made.
    fn ready_at(&self, purpose: CallPurpose, now: Instant) -> Instant {
        let CallBucket { cost, burst, reserve, .. } = self.shared_for(purpose);
        let full_at = self.full_at.max(now) + cost;
        full_at.checked_sub(burst - reserve).map_or(now, |ready_at| ready_at.max(now))
    }

    /// The bucket that all instances share, with the reserve that this purpose leaves to waiting clients and moderators: half of
    /// the bucket, or for removals a quarter and at least one call. At least one call stays usable.
    fn shared_for(&self, purpose: CallPurpose) -> CallBucket {
        let CallBucket { cost, burst, .. } = self.shared;
        let reserve = match purpose {
            CallPurpose::Waiting | CallPurpose::Moderation => Duration::ZERO,
            CallPurpose::Watched | CallPurpose::Calling | CallPurpose::Other => {
                (burst / 2).min(burst - cost)
            }
            CallPurpose::Removal => (burst / 4).max(cost).min(burst - cost),
        };
        CallBucket { reserve, ..self.shared }
    }

    /// The calls that are in it.
    fn left(&self, now: Instant) -> u32 {
        let CallBucket { cost, burst, .. } = self.shared;
        let left = burst.saturating_sub(self.full_at.saturating_duration_since(now));
        u32::try_from(left.as_nanos() / cost.as_nanos().max(1)).unwrap_or(u32::MAX)
    }

    fn take(&mut self, now: Instant) {
        self.full_at = self.full_at.max(now) + self.shared.cost;
    }

    fn give_back(&mut self, now: Instant) {
        self.full_at = self.full_at.checked_sub(self.shared.cost).map_or(now, |at| at.max(now));
    }
}

/// All calls, and shares of them.
#[derive(Debug)]
pub struct Budget {
    all: Bucket,
    waiting: Bucket,
    calling: Bucket,
    unwatched: Bucket,
    removals: Bucket,
    /// By purpose: until when all instances together have no call left.
    denied_until: [Instant; 6],
    /// LiveKit limits our calls, and allows none until then.
    limited_until: Instant,
    /// LiveKit does not work, and is tried again then.
    backed_off_until: Instant,
}

impl Budget {
    pub fn new(calls_per_minute: u32, now: Instant) -> Self {
        let all = f64::from(calls_per_minute);
        Self {
            all: Bucket::new("all", all, now),
            waiting: Bucket::new("waiting", all * 0.5, now),
            calling: Bucket::new("calling", all * 0.3, now),
            unwatched: Bucket::new("unwatched", all * 0.7, now),
            removals: Bucket::new("removals", all * 0.25, now),
            denied_until: [now; 6],
            limited_until: now,
            backed_off_until: now,
        }
    }

    /// Takes a call.
    ///
    /// # Errors
    /// When to ask again.
    pub fn take(&mut self, purpose: CallPurpose, now: Instant) -> Result<(), Instant> {
        let ready_at = self.ready_at(purpose, now);
        if ready_at > now {
            return Err(ready_at);
        }
        for bucket in self.shares(purpose).into_iter().flatten() {
            bucket.take(now);
        }
        Ok(())
    }

    /// How many calls this instance could make at once, if no other made any.
    pub fn calls_left(&self, now: Instant) -> u32 {
        if self.limited_until > now {
            return 0;
        }
        self.all.left(now)
    }

    /// Whether a call could be taken.
    pub fn has(&mut self, purpose: CallPurpose, now: Instant) -> bool {
        self.ready_at(purpose, now) <= now
    }

    fn ready_at(&mut self, purpose: CallPurpose, now: Instant) -> Instant {
        let paused_until = match purpose {
            // Somebody waits for the answer. It also shows at once when LiveKit works again.
            CallPurpose::Moderation => self.limited_until,
            CallPurpose::Waiting
            | CallPurpose::Watched
            | CallPurpose::Calling
            | CallPurpose::Other
            | CallPurpose::Removal => self.paused_until(),
        };
        let paused_until = paused_until.max(self.denied_until[purpose as usize]);
        let shares = self.shares(purpose).into_iter().flatten();
        shares.map(|bucket| bucket.ready_at(purpose, now)).fold(paused_until, Instant::max)
    }

    /// Puts a call back that was taken and not made.
    pub fn give_back(&mut self, purpose: CallPurpose, now: Instant) {
        for bucket in self.shares(purpose).into_iter().flatten() {
            bucket.give_back(now);
        }
    }

    /// The buckets that all instances together take such a call from.
    pub fn shared(&mut self, purpose: CallPurpose) -> Vec<CallBucket> {
        self.shares(purpose)
            .into_iter()
            .flatten()
            .map(|bucket| bucket.shared_for(purpose))
            .collect()
    }

    /// All instances together have no such call left before `until`.
    pub fn deny(&mut self, purpose: CallPurpose, until: Instant) {
        let denied_until = &mut self.denied_until[purpose as usize];
        *denied_until = until.max(*denied_until);
    }

    /// Grants no call before `until`.
    pub fn limit(&mut self, until: Instant) {
        self.limited_until = self.limited_until.max(until);
    }

    /// Grants no call before `until`, unless one that is under way succeeds.
    pub fn back_off(&mut self, until: Instant) {
        self.backed_off_until = self.backed_off_until.max(until);
    }

    pub fn recover(&mut self, now: Instant) {
        self.backed_off_until = now;
    }

    /// No call is granted until then.
    pub fn paused_until(&self) -> Instant {
        self.limited_until.max(self.backed_off_until)
    }

    fn shares(&mut self, purpose: CallPurpose) -> [Option<&mut Bucket>; 3] {
        let Self { all, waiting, calling, unwatched, removals, .. } = self;
        match purpose {
            CallPurpose::Waiting => [Some(all), Some(waiting), Some(unwatched)],
            CallPurpose::Watched | CallPurpose::Moderation => [Some(all), None, None],
            CallPurpose::Calling => [Some(all), Some(calling), None],
            CallPurpose::Other => [Some(all), None, Some(unwatched)],
            CallPurpose::Removal => [Some(all), Some(removals), None],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many calls of a purpose are granted within `secs`, asked for without pause.
    fn granted(budget: &mut Budget, purpose: CallPurpose, start: Instant, secs: u64) -> usize {
        let mut now = start;
        let mut count = 0;
        while now < start + Duration::from_secs(secs) {
            match budget.take(purpose, now) {
                Ok(()) => count += 1,
                Err(ready_at) => now = ready_at,
            }
        }
        count
    }

    #[test]
    fn a_tenth_of_a_minutes_calls_at_once_and_then_the_rate() {
        let start = Instant::now();
        let mut budget = Budget::new(600, start);
        let at_once = |budget: &mut Budget, purpose| {
            (0..1_000).filter(|_| budget.take(purpose, start).is_ok()).count()
        };
        // Half of it is left to clients who wait.
        assert_eq!(at_once(&mut budget, CallPurpose::Watched), 30);
        assert_eq!(at_once(&mut budget, CallPurpose::Waiting), 30);
        let mut budget = Budget::new(600, start);
        assert_eq!(granted(&mut budget, CallPurpose::Watched, start, 60), 629);
    }

    #[test]
    fn waiting_clients_get_half_and_with_everything_else_seven_tenths() {
        let start = Instant::now();
        let mut budget = Budget::new(600, start);
        assert_eq!(granted(&mut budget, CallPurpose::Waiting, start, 60), 329);
        let mut budget = Budget::new(600, start);
        assert!((440..=441).contains(&granted(&mut budget, CallPurpose::Other, start, 60)));
        let mut budget = Budget::new(600, start);
        let minute = start + Duration::from_mins(1);
        let others = granted(&mut budget, CallPurpose::Other, start, 60);
        assert!(budget.take(CallPurpose::Other, minute - Duration::from_millis(1)).is_err());
        assert!(granted(&mut budget, CallPurpose::Watched, minute, 60) > 629 - others);
    }

    #[test]
    fn a_client_who_waits_finds_a_call_whatever_the_others_take() {
        let start = Instant::now();
        let mut budget = Budget::new(600, start);
        let mut found = 0;
        for tenth in 0..600 {
            let now = start + Duration::from_millis(tenth * 100);
            while budget.take(CallPurpose::Watched, now).is_ok() {}
            while budget.take(CallPurpose::Other, now).is_ok() {}
            // Two clients a second.
            if tenth % 5 == 0 {
                found += usize::from(budget.take(CallPurpose::Waiting, now).is_ok());
            }
        }
        assert_eq!(found, 120);
    }

    #[test]
    fn a_moderator_finds_a_call_whatever_the_others_take_and_is_in_no_share() {
        let start = Instant::now();
        let mut budget = Budget::new(600, start);
        while budget.take(CallPurpose::Watched, start).is_ok() {}
        while budget.take(CallPurpose::Other, start).is_ok() {}
        let found = (0..1_000).filter(|_| budget.take(CallPurpose::Moderation, start).is_ok());
        assert_eq!(found.count(), 30, "half of a burst");
        assert_eq!(
            budget.take(CallPurpose::Moderation, start),
            Err(start + Duration::from_millis(100)),
            "the next one as soon as it refills"
        );
        let mut budget = Budget::new(600, start);
        assert_eq!(granted(&mut budget, CallPurpose::Moderation, start, 60), 659);
    }

    #[test]
    fn removals_go_before_comparisons_and_leave_calls_to_moderators_and_clients() {
        let start = Instant::now();
        let mut budget = Budget::new(600, start);
        let at_once = |budget: &mut Budget, purpose| {
            (0..1_000).filter(|_| budget.take(purpose, start).is_ok()).count()
        };
        assert_eq!(at_once(&mut budget, CallPurpose::Watched), 30);
        // Three quarters of a quarter of the burst, though comparisons took all of theirs.
        assert_eq!(at_once(&mut budget, CallPurpose::Removal), 11);
        assert_eq!(at_once(&mut budget, CallPurpose::Moderation), 19);
        // A quarter of a minute's calls, and that burst.
        let mut budget = Budget::new(600, start);
        assert_eq!(granted(&mut budget, CallPurpose::Removal, start, 60), 161);
        let mut budget = Budget::new(20, start);
        assert_eq!(at_once(&mut budget, CallPurpose::Removal), 1);
        assert_eq!(at_once(&mut budget, CallPurpose::Moderation), 1, "also of a small budget");
    }

    #[test]
    fn a_moderator_tries_a_livekit_that_does_not_work_and_heeds_its_limit() {
        let start = Instant::now();
        let mut budget = Budget::new(600, start);
        let until = start + Duration::from_secs(9);
        budget.back_off(until);
        assert_eq!(budget.take(CallPurpose::Moderation, start), Ok(()));
        budget.limit(until);
        assert_eq!(budget.take(CallPurpose::Moderation, start), Err(until));
    }

    #[test]
    fn a_pause_holds_for_every_purpose() {
        let start = Instant::now();
        let mut budget = Budget::new(600, start);
        let until = start + Duration::from_secs(9);
        budget.limit(until);
        budget.limit(start);
        budget.back_off(until + Duration::from_secs(9));
        budget.recover(start);
        for purpose in [
            CallPurpose::Waiting,
            CallPurpose::Watched,
            CallPurpose::Calling,
            CallPurpose::Other,
            CallPurpose::Removal,
        ] {
            assert_eq!(budget.take(purpose, start), Err(until));
            assert_eq!(budget.take(purpose, until), Ok(()));
        }
    }

    #[test]
    fn a_call_that_was_not_made_is_there_for_another() {
        let start = Instant::now();
        let mut budget = Budget::new(1, start);
        assert_eq!(budget.take(CallPurpose::Waiting, start), Ok(()));
        assert!(budget.take(CallPurpose::Waiting, start).is_err());
        budget.give_back(CallPurpose::Waiting, start);
        assert_eq!(budget.take(CallPurpose::Waiting, start), Ok(()));
        budget.give_back(CallPurpose::Watched, start);
        budget.give_back(CallPurpose::Watched, start);
        assert_eq!(
            granted(&mut budget, CallPurpose::Watched, start, 1),
            1,
            "and no more than that"
        );
    }

    #[test]
    fn even_the_smallest_budget_allows_a_call() {
        let start = Instant::now();
        let mut budget = Budget::new(1, start);
        assert_eq!(budget.take(CallPurpose::Watched, start), Ok(()));
        assert_eq!(budget.take(CallPurpose::Watched, start), Err(start + Duration::from_mins(1)));
    }
}
