//! The last messages of the feed, whatever their filters. Most subscribers that return find here what they missed.

use std::{collections::VecDeque, sync::Arc};

use crate::store::LogId;

use super::entry::Entry;

/// All filters together keep at most this much.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// The last messages of the log as it was followed here.
#[derive(Debug)]
pub(super) struct Recent {
    max_entries: usize,
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    /// Everything after this place was kept when it came.
    floor: LogId,
    /// Nothing was lost after this place. At or after `floor`.
    whole_after: LogId,
}

impl Recent {
    pub fn new(max_entries: usize, position: LogId) -> Self {
        Self {
            max_entries,
            entries: VecDeque::new(),
            bytes: 0,
            floor: position,
            whole_after: position,
        }
    }

    /// Begins anew here, with nothing.
    pub fn restart(&mut self, position: LogId) {
        *self = Self::new(self.max_entries, position);
    }

    /// Topics need not keep what is at or before this place.
    pub fn floor(&self) -> LogId {
        self.floor
    }

    pub fn push(&mut self, entry: Arc<Entry>) {
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        while self.entries.len() > self.max_entries || self.bytes > MAX_BYTES {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= oldest.bytes();
            self.floor = self.floor.max(oldest.id);
            self.whole_after = self.whole_after.max(oldest.id);
        }
    }

    /// Messages before `position` were lost.
    pub fn lost_before(&mut self, position: LogId) {
        self.whole_after = position;
    }

    /// The messages after a place. None if not all of them are here.
    pub fn after(&self, place: LogId) -> Option<impl Iterator<Item = &Arc<Entry>> + Clone> {
        let first = self.entries.partition_point(|entry| entry.id <= place);
        (place >= self.whole_after).then(|| self.entries.range(first..))
    }

    /// Until where a subscriber has to be given messages from the log, to go on from there with what is here.
    pub fn whole_after(&self) -> LogId {
        self.whole_after
    }

    /// Puts what the log has after `place`, up to and with `until`, before the rest, if it fits there and there is room.
    pub fn extend_back(&mut self, place: LogId, until: LogId, entries: &[Arc<Entry>]) {
        let bytes: usize = entries.iter().map(|entry| entry.bytes()).sum();
        let has_room = self.entries.len() + entries.len() <= self.max_entries
            && self.bytes + bytes <= MAX_BYTES;
        // After a loss, older messages that were followed are in between.
        let fits = self.whole_after == self.floor && place < self.floor && self.floor <= until;
        if !has_room || !fits {
            return;
        }
        for entry in entries.iter().rev().filter(|entry| entry.id <= self.floor) {
            self.bytes += entry.bytes();
            self.entries.push_front(Arc::clone(entry));
        }
        self.floor = place;
        self.whole_after = place;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::HostTime;

    fn place(millis: u64) -> LogId {
        LogId::default().next(millis)
    }

    fn entry(millis: u64) -> Arc<Entry> {
        Entry::gap(place(millis), HostTime::from_millis(millis))
    }

    fn ids_after(recent: &Recent, millis: u64) -> Option<Vec<u64>> {
        let after = recent.after(place(millis))?;
        Some(after.map(|entry| entry.id.millis()).collect())
    }

    #[test]
    fn what_came_since_the_following_began_is_there_until_there_is_too_much() {
        let mut recent = Recent::new(3, place(10));
        assert_eq!(ids_after(&recent, 10), Some(vec![]));
        assert_eq!(ids_after(&recent, 9), None);
        (11..=13).for_each(|millis| recent.push(entry(millis)));
        assert_eq!(ids_after(&recent, 10), Some(vec![11, 12, 13]));
        assert_eq!(ids_after(&recent, 12), Some(vec![13]));
        recent.push(entry(14));
        assert_eq!(ids_after(&recent, 10), None);
        assert_eq!(ids_after(&recent, 11), Some(vec![12, 13, 14]));
        assert_eq!(recent.floor(), place(11));
    }

    #[test]
    fn what_was_read_from_the_log_serves_the_next_as_well() {
        let mut recent = Recent::new(5, place(10));
        recent.push(entry(11));
        recent.extend_back(place(6), place(10), &[entry(7), entry(9), entry(10)]);
        assert_eq!(ids_after(&recent, 6), Some(vec![7, 9, 10, 11]));
        assert_eq!(ids_after(&recent, 5), None);
        recent.extend_back(place(2), place(6), &[entry(3), entry(4)]);
        assert_eq!(ids_after(&recent, 2), None, "there is no room for them");
        assert_eq!(ids_after(&recent, 8), Some(vec![9, 10, 11]));
    }

    #[test]
    fn what_was_read_does_not_go_before_what_it_does_not_reach() {
        let mut recent = Recent::new(5, place(10));
        recent.extend_back(place(3), place(8), &[entry(5)]);
        assert_eq!(ids_after(&recent, 3), None, "9 and 10 would be missing");
    }

    #[test]
    fn nobody_resumes_over_a_loss() {
        let mut recent = Recent::new(9, place(10));
        recent.push(entry(11));
        recent.lost_before(place(20));
        recent.push(entry(20));
        recent.push(entry(21));
        assert_eq!(ids_after(&recent, 11), None);
        assert_eq!(ids_after(&recent, 20), Some(vec![21]));
        recent.extend_back(place(11), place(20), &[entry(12)]);
        assert_eq!(ids_after(&recent, 11), None);
    }
}
