//! Bounds log lines that clients can cause: each reason is logged at most once a minute, so that nobody can fill the log.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::Mutex,
    time::{Duration, Instant},
};

/// The same reason is logged again after this time, with the number of times since.
const SAY_AGAIN: Duration = Duration::from_mins(1);
/// Beyond this many, reasons count as one. Some reasons contain text that a client wrote.
const MAX_REASONS: usize = 100;

/// What was said, and when. None stands for all reasons above the limit.
pub(in crate::http) struct Repeats<Reason>(Mutex<HashMap<Option<Reason>, Said>>);

struct Said {
    at: Instant,
    unsaid: u64,
}

impl<Reason> Default for Repeats<Reason> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<Reason: Eq + Hash> Repeats<Reason> {
    /// If it is time to log this reason: how often it came up since it was last logged.
    pub fn unsaid(&self, reason: Reason, now: Instant) -> Option<u64> {
        let reason = Some(reason);
        let mut said = self.0.lock().expect("nothing panics while it is locked");
        let is_new = !said.contains_key(&reason);
        if is_new && said.len() >= MAX_REASONS {
            said.retain(|_, said| now.duration_since(said.at) < SAY_AGAIN);
        }
        let is_full = is_new && said.len() >= MAX_REASONS;
        let reason = if is_full { None } else { reason };
        let Some(said) = said.get_mut(&reason) else {
            said.insert(reason, Said { at: now, unsaid: 0 });
            return Some(0);
        };
        if now.duration_since(said.at) < SAY_AGAIN {
            said.unsaid += 1;
            return None;
        }
        said.at = now;
        Some(std::mem::take(&mut said.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_said_once_a_minute_with_how_often_it_came_since() {
        let log = Repeats::default();
        let start = Instant::now();
        assert_eq!(log.unsaid("CROSSSLOT", start), Some(0));
        assert_eq!(log.unsaid("CROSSSLOT", start), None);
        assert_eq!(log.unsaid("CROSSSLOT", start + SAY_AGAIN / 2), None);
        assert_eq!(log.unsaid("OOM", start), Some(0));
        assert_eq!(log.unsaid("CROSSSLOT", start + SAY_AGAIN), Some(2));
    }

    #[test]
    fn reasons_without_end_take_no_memory_without_end() {
        let log = Repeats::default();
        let start = Instant::now();
        let many = 0..10 * MAX_REASONS;
        let lines = many.filter(|number| log.unsaid(*number, start).is_some()).count();
        assert_eq!(lines, MAX_REASONS + 1);
        assert!(log.unsaid(usize::MAX, start + SAY_AGAIN).is_some());
        assert!(log.0.lock().unwrap().len() <= MAX_REASONS);
    }
}
