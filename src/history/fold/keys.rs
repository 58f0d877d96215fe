//! Which rows a batch of items touches.

use std::collections::BTreeSet;

use crate::{
    presence::{Record, Stay},
    store::HistoryItem,
};

/// Which rows have to be loaded before items are applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// Sessions.
    pub sids: BTreeSet<String>,
    /// Lives of rooms.
    pub instances: BTreeSet<String>,
    /// Of these rooms also the unfinished lives, and the open sessions of which no life is known.
    pub rooms: BTreeSet<String>,
}

impl Keys {
    pub(super) fn of(items: &[HistoryItem]) -> Self {
        let mut keys = Self::default();
        for item in items {
            keys.rooms.insert(item.room.to_string());
            let opening = item.opening.as_ref();
            keys.instances.extend(opening.map(|opening| opening.sid.to_string()));
            item.records.iter().for_each(|record| keys.add(record));
        }
        keys
    }

    fn add(&mut self, record: &Record) {
        match record {
            Record::Opened(opened) => _ = self.instances.insert(opened.sid.to_string()),
            Record::Closed(closed) => _ = self.instances.insert(closed.sid.to_string()),
            Record::Shown(shown) => self.add_stay(&shown.stay),
            Record::Left(left) => self.add_stay(&left.stay),
        }
    }

    fn add_stay(&mut self, stay: &Stay) {
        self.sids.insert(stay.sid.to_string());
        self.instances.extend(stay.room_sid.as_ref().map(ToString::to_string));
    }
}
