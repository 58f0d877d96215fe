//! LiveKit's servers, each of which writes its own field of the hash `nodes` every two seconds (`node_stats.stats_update_interval`).
//! One that was killed stops, and its field stays until another server starts; one that ends in order deletes its field.
//!
//! Pure: callers pass the time. Times that servers write are of their clocks, so only whether a field changes counts.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::connection::Fields;

/// A server that has not been seen to write yet is lost after this time: its interval is not known.
const FIRST_PATIENCE: Duration = Duration::from_secs(12);
/// A server whose interval is known may be late by this much.
const PATIENCE_FACTOR: u32 = 3;
const MIN_PATIENCE: Duration = Duration::from_secs(6);
/// After a longer time without a reading nobody knows who has written meanwhile, and servers get their whole patience again.
const MAX_APART: Duration = Duration::from_secs(4);

/// The servers that were there at the last reading.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    by_id: HashMap<Vec<u8>, Node>,
    read_at: Option<Instant>,
}

#[derive(Debug)]
struct Node {
    value: Vec<u8>,
    /// When the value was first seen.
    since: Instant,
    /// How far apart values have been, the last ones above all.
    interval: Option<Duration>,
    is_lost: bool,
}

impl Nodes {
    /// Takes a reading of all fields. Returns how many servers may have crashed since the last one: those that write no more, and
    /// those that are gone. A server that crashed counts twice, also when another one that starts deletes its field: only from
    /// then on may LiveKit answer whether its people live.
    pub fn read(&mut self, fields: Fields, now: Instant) -> usize {
        let is_late = self.read_at.is_none_or(|at| now.saturating_duration_since(at) > MAX_APART);
        self.read_at = Some(now);
        let mut before = std::mem::take(&mut self.by_id);
        let mut lost = 0;
        for (id, value) in fields {
            let mut node = match before.remove(&id) {
                Some(node) => node.read(value, is_late, now),
                None => Node { value, since: now, interval: None, is_lost: false },
            };
            if node.is_overdue(now) {
                node.is_lost = true;
                lost += 1;
            }
            self.by_id.insert(id, node);
        }
        lost + before.len()
    }

    /// How many servers go on writing, as far as that is known.
    pub fn alive(&self) -> usize {
        self.by_id.values().filter(|node| !node.is_lost).count()
    }
}

impl Node {
    fn read(self, value: Vec<u8>, is_late: bool, now: Instant) -> Self {
        if value == self.value {
            let since = if is_late { now } else { self.since };
            return Self { since, ..self };
        }
        let apart = now.saturating_duration_since(self.since);
        let interval = match self.interval {
            // The first value may have been written long before it was seen.
            None if is_late => None,
            None => Some(apart),
            Some(usual) if is_late || self.is_lost => Some(usual),
            Some(usual) => Some(apart.max((usual * 7 + apart) / 8)),
        };
        Self { value, since: now, interval, is_lost: false }
    }

    fn is_overdue(&self, now: Instant) -> bool {
        let patience = match self.interval {
            Some(interval) => (interval * PATIENCE_FACTOR).max(MIN_PATIENCE),
            None => FIRST_PATIENCE,
        };
        !self.is_lost && now.saturating_duration_since(self.since) > patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reading each second, and what each server wrote by then: a number, or nothing.
    struct Readings {
        nodes: Nodes,
        start: Instant,
    }

    impl Readings {
        fn new() -> Self {
            Self { nodes: Nodes::default(), start: Instant::now() }
        }

        fn at(&mut self, secs: u64, written: &[(&str, u64)]) -> usize {
            let field = |(id, value): &(&str, u64)| {
                (id.as_bytes().to_vec(), vec![u8::try_from(*value).unwrap()])
            };
            let fields = written.iter().map(field).collect();
            self.nodes.read(fields, self.start + Duration::from_secs(secs))
        }
    }

    #[test]
    fn a_server_that_writes_no_more_is_lost_once_and_again_when_its_field_goes() {
        let mut readings = Readings::new();
        for secs in 0..10 {
            assert_eq!(readings.at(secs, &[("a", secs / 2), ("b", secs / 2)]), 0, "{secs}");
        }
        // The last value of `b` is of second 8.
        let lost: Vec<_> =
            (10..30).filter(|secs| readings.at(*secs, &[("a", secs / 2), ("b", 4)]) > 0).collect();
        assert_eq!(lost, [15]);
        assert_eq!(readings.nodes.alive(), 1);
        assert_eq!(readings.at(30, &[("a", 15), ("c", 1)]), 1, "another one has taken it out");
        assert_eq!(readings.at(31, &[("a", 15), ("c", 1)]), 0);
        assert_eq!(readings.nodes.alive(), 2);
    }

    #[test]
    fn one_that_ends_in_order_may_have_lost_its_last_webhooks() {
        let mut readings = Readings::new();
        assert_eq!(readings.at(0, &[("a", 1), ("b", 1)]), 0);
        assert_eq!(readings.at(1, &[("a", 1)]), 1);
    }

    #[test]
    fn one_that_comes_says_nothing() {
        let mut readings = Readings::new();
        assert_eq!(readings.at(0, &[]), 0);
        assert_eq!(readings.at(1, &[("a", 1)]), 0);
        assert_eq!(readings.at(2, &[("a", 1), ("b", 1)]), 0);
    }

    #[test]
    fn one_that_writes_rarely_has_more_patience() {
        let mut readings = Readings::new();
        for secs in 0..100 {
            assert_eq!(readings.at(secs, &[("a", secs / 10)]), 0, "{secs}");
        }
        let lost: Vec<_> = (100..140).filter(|secs| readings.at(*secs, &[("a", 9)]) > 0).collect();
        assert_eq!(lost, [121]);
    }

    #[test]
    fn one_that_was_late_once_is_as_late_only_for_a_while() {
        let mut readings = Readings::new();
        for secs in 0..8 {
            readings.at(secs, &[("a", secs / 2)]);
        }
        for secs in 8..12 {
            assert_eq!(readings.at(secs, &[("a", 3)]), 0, "{secs}");
        }
        for secs in 12..80 {
            assert_eq!(readings.at(secs, &[("a", secs / 2)]), 0, "{secs}");
        }
        let lost: Vec<_> = (80..120).filter(|secs| readings.at(*secs, &[("a", 39)]) > 0).collect();
        assert_eq!(lost, [85], "its last value is of second 78");
    }

    #[test]
    fn one_that_never_wrote_is_lost_after_twelve_seconds() {
        let mut readings = Readings::new();
        let lost: Vec<_> = (0..60).filter(|secs| readings.at(*secs, &[("a", 1)]) > 0).collect();
        assert_eq!(lost, [13]);
        assert_eq!(readings.nodes.alive(), 0);
    }

    #[test]
    fn what_was_not_read_for_a_while_is_judged_by_what_follows() {
        let mut readings = Readings::new();
        for secs in 0..10 {
            readings.at(secs, &[("a", secs / 2), ("b", secs / 2)]);
        }
        assert_eq!(readings.at(60, &[("a", 4)]), 1, "one of them is gone");
        let lost: Vec<_> = (61..80).filter(|secs| readings.at(*secs, &[("a", 4)]) > 0).collect();
        assert_eq!(lost, [67]);
    }
}
