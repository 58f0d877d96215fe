//! A bucket's index: its rooms with what the list of rooms says of each, so that listing rooms reads no room.

use serde::{Deserialize, Serialize};

use crate::presence::{Completeness, ROW_FORMAT, RoomName, RoomSlice, StoreTime};

use super::rows::{Unreadable, to_json};

/// A room in the list of rooms.
#[derive(Clone, Debug)]
pub(super) struct IndexedRoom {
    pub name: RoomName,
    entry: Entry,
}

/// What an index keeps of a room.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    format: u32,
    count: usize,
    #[serde(rename = "completeUntil")]
    completeness: Completeness,
    /// When the room is forgotten, and this entry no longer counts.
    kept_until: StoreTime,
}

impl IndexedRoom {
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

    pub fn completeness(&self) -> Completeness {
        self.entry.completeness
    }

    pub fn is_forgotten_at(&self, now: StoreTime) -> bool {
        self.entry.kept_until < now
    }
}

/// A room's entry; empty if the room does not belong into the list.
pub(super) fn entry_of(slice: &RoomSlice) -> Vec<u8> {
    if !slice.is_active() {
        return Vec::new();
    }
    to_json(&Entry {
        format: ROW_FORMAT,
        count: slice.count(),
        completeness: slice.completeness(),
        kept_until: slice.kept_until(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_written_as_it_always_was() {
        let json = r#"{"format":1,"count":2,"completeUntil":3,"keptUntil":4}"#;
        let listed = IndexedRoom::read(b"general", json.as_bytes()).unwrap();
        let complete = Completeness::Complete { until: StoreTime::from_micros(3) };
        assert_eq!((listed.count(), listed.completeness()), (2, complete));
        assert_eq!(String::from_utf8(to_json(&listed.entry)).unwrap(), json);
    }
}
