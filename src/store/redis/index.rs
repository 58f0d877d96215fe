//! A bucket's index: the rooms that are to be listed, each with what the list says of it, so that a list of rooms reads no room.

use serde::{Deserialize, Serialize};

use crate::presence::{ROW_FORMAT, RoomName, RoomSlice, StoreTime};

use super::rows::{Unreadable, to_json};

/// A room in the list of rooms.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub name: RoomName,
    entry: Entry,
}

/// What an index keeps of a room.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    format: u32,
    count: usize,
    complete_until: StoreTime,
    /// When the room is forgotten, and its entry is one no more.
    kept_until: StoreTime,
}

impl Listed {
    pub fn read(name: &[u8], entry: &[u8]) -> Result<Self, Unreadable> {
        let name = std::str::from_utf8(name).map_err(|_| Unreadable::Malformed)?;
        let name = RoomName::parse(name).map_err(|_| Unreadable::Malformed)?;
        let entry: Entry = serde_json::from_slice(entry).map_err(|_| Unreadable::Malformed)?;
        if entry.format != ROW_FORMAT {
            return Err(Unreadable::Format(entry.format));
        }
        Ok(Self { name, entry })
    }

    pub fn count(&self) -> usize {
        self.entry.count
    }

    pub fn is_complete_at(&self, now: StoreTime) -> bool {
        now <= self.entry.complete_until
    }

    pub fn is_forgotten_at(&self, now: StoreTime) -> bool {
        self.entry.kept_until < now
    }
}

/// A room's entry; empty where it is not to be listed.
pub(super) fn entry_of(slice: &RoomSlice) -> Vec<u8> {
    if !slice.is_active() {
        return Vec::new();
    }
    to_json(&Entry {
        format: ROW_FORMAT,
        count: slice.count(),
        complete_until: slice.confirmed_until(),
        kept_until: slice.kept_until(),
    })
}
