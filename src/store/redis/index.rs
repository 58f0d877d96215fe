//! A bucket's index: its rooms with what the list of rooms says of each, so that listing rooms reads no room.

use serde::{Deserialize, Serialize};

use crate::presence::{
    Completeness, Counts, LiveKitTime, ROW_FORMAT, RoomName, RoomSlice, StoreTime,
};

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
    /// How many of them are agents.
    #[serde(default, skip_serializing_if = "is_zero")]
    agents: usize,
    #[serde(default, skip_serializing_if = "is_zero")]
    publishers: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_at: Option<LiveKitTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    has_recorder: Option<bool>,
    #[serde(rename = "completeUntil")]
    completeness: Completeness,
    /// When the room is forgotten, and this entry no longer counts.
    kept_until: StoreTime,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(count: &usize) -> bool {
    *count == 0
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

    /// An entry of a release that knew only `count` says nothing of agents and publishers.
    pub fn counts(&self) -> Counts {
        let Entry { count, agents, publishers, .. } = self.entry;
        Counts { people: count.saturating_sub(agents), agents, publishers }
    }

    pub fn started_at(&self) -> Option<LiveKitTime> {
        self.entry.started_at
    }

    pub fn has_recorder(&self) -> Option<bool> {
        self.entry.has_recorder
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
    let counts = slice.counts();
    to_json(&Entry {
        format: ROW_FORMAT,
        count: counts.participants(),
        agents: counts.agents,
        publishers: counts.publishers,
        started_at: slice.started_at(),
        has_recorder: slice.has_recorder(),
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
        assert_eq!((listed.counts().participants(), listed.completeness()), (2, complete));
        assert_eq!(String::from_utf8(to_json(&listed.entry)).unwrap(), json);
    }

    #[test]
    fn an_entry_tells_of_agents_publishers_the_start_and_recorders_where_they_are_known() {
        let json = r#"{"format":1,"count":5,"agents":2,"publishers":1,"startedAt":7,"hasRecorder":true,"completeUntil":3,"keptUntil":4}"#;
        let listed = IndexedRoom::read(b"general", json.as_bytes()).unwrap();
        assert_eq!(listed.counts(), Counts { people: 3, agents: 2, publishers: 1 });
        assert_eq!(listed.started_at(), Some(LiveKitTime::from_millis(7)));
        assert_eq!(listed.has_recorder(), Some(true));
        assert_eq!(String::from_utf8(to_json(&listed.entry)).unwrap(), json);
    }
}
