//! An instance that shares nothing with others.

use std::{
    collections::{HashMap, VecDeque},
    sync::Mutex,
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;

use super::{
    CallBucket, CoordinationError, Lease, LeaseToken, Peers, SharedRooms, SlidingWindow, Told, Turn,
};

/// Beyond this many people within one window, the others share one, which bounds the memory.
const MAX_WINDOWS: usize = 100_000;
/// Windows are looked through for those that are over when there are this many, and at twice as many as were left then.
const FIRST_SWEEP: usize = 1_024;
/// Whose window those share for whom there is no room.
const OTHERS: &str = "";

/// The only instance: every lease is free, and every call is its own.
#[derive(Debug, Default)]
pub struct SingleInstance {
    windows: Mutex<Windows>,
}

/// When turns were taken lately, the oldest first, and when the last of them no longer counts.
#[derive(Debug, Default)]
struct Window {
    taken: VecDeque<Instant>,
    over_at: Option<Instant>,
}

#[derive(Debug)]
struct Windows {
    of: HashMap<String, Window>,
    sweep_at: usize,
}

impl Default for Windows {
    fn default() -> Self {
        Self { of: HashMap::new(), sweep_at: FIRST_SWEEP }
    }
}

impl Windows {
    fn take(&mut self, who: &str, limit: SlidingWindow, now: Instant) -> Turn {
        let who = if self.of.contains_key(who) || self.make_room(now) { who } else { OTHERS };
        self.of.entry(who.to_owned()).or_default().take(limit, now)
    }

    /// Whether another window can be remembered.
    fn make_room(&mut self, now: Instant) -> bool {
        if self.of.len() >= self.sweep_at {
            self.of.retain(|_, window| window.over_at.is_some_and(|over_at| over_at > now));
            self.sweep_at = (self.of.len() * 2).clamp(FIRST_SWEEP, MAX_WINDOWS);
        }
        self.of.len() < MAX_WINDOWS
    }
}

impl Window {
    fn take(&mut self, SlidingWindow { max, length }: SlidingWindow, now: Instant) -> Turn {
        while self.taken.front().is_some_and(|taken| now.duration_since(*taken) >= length) {
            self.taken.pop_front();
        }
        let max = max as usize;
        if self.taken.len() < max {
            self.taken.push_back(now);
            self.over_at = Some(now + length);
            let frees_in = self.frees_in(0, length, now);
            let left = u32::try_from(max - self.taken.len()).unwrap_or(u32::MAX);
            return Turn::Taken { left, frees_in };
        }
        Turn::Refused { wait: self.frees_in(self.taken.len() - max, length, now) }
    }

    /// When this turn no longer counts.
    fn frees_in(&self, turn: usize, length: Duration, now: Instant) -> Duration {
        let taken = self.taken.get(turn).copied().unwrap_or(now);
        (taken + length).saturating_duration_since(now)
    }
}

#[async_trait]
impl Peers for SingleInstance {
    async fn lease(
        &self,
        _lease: &Lease,
        _time: Duration,
    ) -> Result<Option<LeaseToken>, CoordinationError> {
        Ok(Some(LeaseToken(String::new())))
    }

    async fn release(&self, _lease: &Lease, _held: LeaseToken) -> Result<(), CoordinationError> {
        Ok(())
    }

    async fn take_call(&self, _buckets: &[CallBucket]) -> Result<Duration, CoordinationError> {
        Ok(Duration::ZERO)
    }

    async fn share_wait(
        &self,
        wait: Duration,
        _fresh: Duration,
    ) -> Result<Duration, CoordinationError> {
        Ok(wait)
    }

    async fn share_rooms(
        &self,
        _rooms: &SharedRooms,
        _fresh: Duration,
    ) -> Result<(), CoordinationError> {
        Ok(())
    }

    async fn shared_rooms(&self) -> Result<Option<SharedRooms>, CoordinationError> {
        Ok(None)
    }

    async fn take_turn(&self, who: &str, window: SlidingWindow) -> Result<Turn, CoordinationError> {
        let mut windows = self.windows.lock().expect("nothing panics while it is locked");
        Ok(windows.take(who, window, Instant::now()))
    }

    async fn tell(
        &self,
        _told: &Told,
        _keep: usize,
        _fresh: Duration,
    ) -> Result<(), CoordinationError> {
        Ok(())
    }

    async fn told(
        &self,
        _newest: usize,
        _instances: usize,
    ) -> Result<Vec<Told>, CoordinationError> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);
    const TWO: SlidingWindow = SlidingWindow { max: 2, length: MINUTE };

    #[test]
    fn turns_count_for_exactly_the_length_of_the_window() {
        let mut windows = Windows::default();
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let taken = |left, secs| Turn::Taken { left, frees_in: Duration::from_secs(secs) };
        let refused = |secs| Turn::Refused { wait: Duration::from_secs(secs) };
        assert_eq!(windows.take("alice", TWO, at(0)), taken(1, 60));
        assert_eq!(windows.take("alice", TWO, at(50)), taken(0, 10));
        assert_eq!(windows.take("alice", TWO, at(51)), refused(9));
        assert_eq!(windows.take("bob", TWO, at(51)), taken(1, 60), "each has their own");
        assert_eq!(windows.take("alice", TWO, at(59)), refused(1), "refusals do not count");
        // A counter that begins anew each minute would allow two here.
        assert_eq!(windows.take("alice", TWO, at(60)), taken(0, 50));
        assert_eq!(windows.take("alice", TWO, at(61)), refused(49));
        assert_eq!(windows.take("alice", TWO, at(500)), taken(1, 60));
    }

    #[test]
    fn a_limit_that_was_lowered_counts_what_was_taken_before() {
        let mut windows = Windows::default();
        let start = Instant::now();
        for secs in 0..3 {
            let three = SlidingWindow { max: 3, ..TWO };
            windows.take("alice", three, start + Duration::from_secs(secs));
        }
        let one = SlidingWindow { max: 1, ..TWO };
        let refused = windows.take("alice", one, start + Duration::from_secs(10));
        assert_eq!(refused, Turn::Refused { wait: Duration::from_secs(52) });
    }

    #[test]
    fn memory_is_bounded_and_those_for_whom_there_is_no_room_share_one_window() {
        let mut windows = Windows::default();
        let start = Instant::now();
        let is_taken = |turn| matches!(turn, Turn::Taken { .. });
        let people = 0..MAX_WINDOWS + 10;
        let taken = people.filter(|one| is_taken(windows.take(&one.to_string(), TWO, start)));
        assert_eq!(taken.count(), MAX_WINDOWS + 2);
        assert!(is_taken(windows.take("1", TWO, start)), "who has a window keeps it");
        assert!(windows.of.len() <= MAX_WINDOWS + 1);
        assert!(is_taken(windows.take("newcomer", TWO, start + MINUTE)));
        assert!(windows.of.len() < 10, "windows that are over are forgotten");
    }
}
