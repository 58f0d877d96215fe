//! People who live, as LiveKit says, and whom its Redis does not have. One of them may be LiveKit's mistake: it deletes by identity, so
//! an older session that ends late takes the newer one along (until that changes), and a node's mistake has emptied a room.
//!
//! Pure: callers pass the time.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use crate::presence::{ParticipantSid, StoreTime};

/// This many of them speak against the Redis.
const ENOUGH: usize = 3;
/// Or one of them, if this long after the first time it still lives and still is not there.
const STILL_AFTER: Duration = Duration::from_secs(10);
/// They are forgotten after this time without another.
const MEMORY: Duration = Duration::from_mins(5);
/// Those who spoke against the Redis do not again. So many of them are remembered.
const MAX_SPENT: usize = 1_000;

/// Whom the Redis lacks, while nobody new was found in it.
#[derive(Debug, Default)]
pub struct RedisLacks {
    living: HashMap<ParticipantSid, Instant>,
    /// When the first of them was missed, by the store's clock.
    since: Option<StoreTime>,
    spent: VecDeque<ParticipantSid>,
}

impl RedisLacks {
    /// Since when somebody is lacking; none if nobody is.
    pub fn since(&self) -> Option<StoreTime> {
        self.since
    }

    /// These people live and are not there; a list that was asked for at `asked_at` missed them first. Returns whether that is
    /// enough to doubt whose Redis it is. If so, they do not count again.
    pub fn add(&mut self, sids: &[ParticipantSid], asked_at: StoreTime, now: Instant) -> bool {
        if self.living.values().all(|at| now.saturating_duration_since(*at) >= MEMORY) {
            self.found();
        }
        let mut is_enough = false;
        for sid in sids.iter().filter(|sid| !self.spent.contains(sid)) {
            let since = *self.living.entry(sid.clone()).or_insert(now);
            self.since.get_or_insert(asked_at);
            is_enough |= now.saturating_duration_since(since) >= STILL_AFTER;
        }
        is_enough |= self.living.len() >= ENOUGH;
        if is_enough {
            self.spent.extend(self.living.drain().map(|(sid, _)| sid));
            let too_many = self.spent.len().saturating_sub(MAX_SPENT);
            self.spent.drain(..too_many);
            self.since = None;
        }
        is_enough
    }

    /// Somebody was found of whom a webhook has told since.
    pub fn found(&mut self) {
        self.living.clear();
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sids(names: &[&str]) -> Vec<ParticipantSid> {
        names.iter().map(|name| ParticipantSid::new(*name)).collect()
    }

    fn at(secs: u64) -> StoreTime {
        StoreTime::default() + Duration::from_secs(secs)
    }

    #[test]
    fn three_people_or_one_for_ten_seconds_are_enough() {
        let start = Instant::now();
        let seconds = Duration::from_secs;
        let mut lacks = RedisLacks::default();
        assert!(!lacks.add(&sids(&["PA_1", "PA_2"]), at(1), start));
        assert_eq!(lacks.since(), Some(at(1)));
        assert!(!lacks.add(&sids(&["PA_1", "PA_2"]), at(2), start + seconds(9)));
        assert!(lacks.add(&sids(&["PA_3"]), at(3), start + seconds(9)));
        let mut lacks = RedisLacks::default();
        assert!(!lacks.add(&sids(&["PA_1"]), at(1), start));
        assert!(lacks.add(&sids(&["PA_1"]), at(2), start + seconds(10)));
    }

    #[test]
    fn nobody_counts_twice() {
        let start = Instant::now();
        let mut lacks = RedisLacks::default();
        let three = sids(&["PA_1", "PA_2", "PA_3"]);
        assert!(lacks.add(&three, at(1), start));
        for minute in 1..60 {
            assert!(!lacks.add(&three, at(minute * 60), start + Duration::from_mins(minute)));
        }
        assert_eq!(lacks.since(), None);
        assert!(lacks.add(&sids(&["PA_4", "PA_5", "PA_6"]), at(9), start));
    }

    #[test]
    fn who_was_found_since_speaks_for_the_redis() {
        let start = Instant::now();
        let mut lacks = RedisLacks::default();
        lacks.add(&sids(&["PA_1", "PA_2"]), at(1), start);
        lacks.found();
        assert!(!lacks.add(&sids(&["PA_3"]), at(2), start));
        assert_eq!(lacks.since(), Some(at(2)));
    }

    #[test]
    fn they_are_forgotten_after_a_while() {
        let start = Instant::now();
        let mut lacks = RedisLacks::default();
        lacks.add(&sids(&["PA_1", "PA_2"]), at(1), start);
        assert!(!lacks.add(&sids(&["PA_3"]), at(400), start + Duration::from_secs(400)));
        assert_eq!(lacks.since(), Some(at(400)));
    }
}
