//! What lies in the journal, as this process knows it.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::{HistoryItem, ItemId, PendingItem};

/// Where an item lies: the number of its entry, and its place there.
pub(super) type Place = (i64, usize);

/// Items that the rows do not have yet.
#[derive(Debug)]
pub(super) struct Lying {
    /// In order. None stands for an entry that this release cannot read.
    items: BTreeMap<Place, Option<HistoryItem>>,
    /// Entries whose items the rows have, and that are not deleted yet.
    over: BTreeSet<i64>,
    /// Entries of which some items were left to a later release. They are never deleted.
    left: BTreeSet<i64>,
    /// The number of the next entry.
    next: i64,
    newest_seq: u64,
    took_in_since_failure: bool,
}

impl Default for Lying {
    fn default() -> Self {
        Self {
            items: BTreeMap::new(),
            over: BTreeSet::new(),
            left: BTreeSet::new(),
            next: 1,
            newest_seq: 0,
            took_in_since_failure: false,
        }
    }
}

impl Lying {
    /// Adds an entry with its items; none if they cannot be read.
    pub fn add(&mut self, number: i64, items: Option<Vec<HistoryItem>>) {
        self.next = self.next.max(number + 1);
        self.took_in_since_failure = true;
        let Some(items) = items else {
            self.items.insert((number, 0), None);
            return;
        };
        for (index, item) in items.into_iter().enumerate() {
            self.newest_seq = self.newest_seq.max(item.seq);
            self.items.insert((number, index), Some(item));
        }
    }

    pub fn first(&self, max: usize) -> Vec<PendingItem> {
        let pending = |((number, index), item): (&Place, &Option<HistoryItem>)| PendingItem {
            id: ItemId { bucket: 0, id: format!("{number}-{index}") },
            item: item.clone(),
        };
        self.items.iter().take(max).map(pending).collect()
    }

    /// The rows have these. Returns the entries that can be deleted.
    pub fn done(&mut self, items: &[PendingItem]) -> Vec<i64> {
        for (number, index) in items.iter().filter_map(place_of) {
            self.items.remove(&(number, index));
            if self.is_over(number) {
                self.over.insert(number);
            }
        }
        self.over.iter().copied().collect()
    }

    /// These stay where they are, and this process forgets them.
    pub fn leave(&mut self, items: &[PendingItem]) {
        for place in items.iter().filter_map(place_of) {
            self.items.remove(&place);
            self.left.insert(place.0);
        }
    }

    /// These entries were deleted.
    pub fn forgotten(&mut self, numbers: &[i64]) {
        for number in numbers {
            self.over.remove(number);
        }
    }

    fn is_over(&self, number: i64) -> bool {
        let has_items = self.items.range((number, 0)..(number + 1, 0)).next().is_some();
        !has_items && !self.left.contains(&number)
    }

    pub fn count(&self) -> usize {
        self.items.len()
    }

    pub fn oldest(&self) -> Option<Place> {
        self.items.first_key_value().map(|(place, _)| *place)
    }

    pub fn newest(&self) -> Option<Place> {
        self.items.last_key_value().map(|(place, _)| *place)
    }

    pub fn next(&self) -> i64 {
        self.next
    }

    /// The newest `seq` of any item that was here.
    pub fn newest_seq(&self) -> u64 {
        self.newest_seq
    }

    /// Whether an entry was made since the last failure.
    pub fn took_in_since_failure(&self) -> bool {
        self.took_in_since_failure
    }

    pub fn failed(&mut self) {
        self.took_in_since_failure = false;
    }
}

fn place_of(pending: &PendingItem) -> Option<Place> {
    let (number, index) = pending.id.id.split_once('-')?;
    Some((number.parse().ok()?, index.parse().ok()?))
}
