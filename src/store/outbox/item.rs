//! What one step adds to the history of a room.

use serde::{Deserialize, Serialize};

use crate::presence::{Left, LiveKitTime, Record, RoomName, RoomSid, Shown, Stay};

/// What one step adds to the history of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryItem {
    pub room: RoomName,
    /// Rises with every step on the room, also after a store has lost everything. The history applies an item to what an earlier
    /// one made, and never twice.
    pub seq: u64,
    /// The life of the room that was known after the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<RoomOpening>,
    pub records: Vec<Record>,
}

/// What a record takes beside its texts.
const RECORD_BYTES: usize = 256;

impl HistoryItem {
    /// About what it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        let texts = |stay: &Stay| {
            let metadata = stay.metadata.as_ref().map_or(0, String::len);
            stay.identity.as_str().len() + stay.name.len() + metadata
        };
        let of_record = |record: &Record| match record {
            Record::Opened(_) | Record::Closed(_) => RECORD_BYTES,
            Record::Shown(Shown { stay, .. }) | Record::Left(Left { stay, .. }) => {
                RECORD_BYTES + texts(stay)
            }
        };
        self.records.iter().map(of_record).sum()
    }
}

/// A life of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomOpening {
    pub sid: RoomSid,
    /// When LiveKit made the room object, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<LiveKitTime>,
}

/// An item, and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingItem {
    pub id: ItemId,
    /// None if it cannot be read: a later release wrote it, or something else did.
    pub item: Option<HistoryItem>,
}

/// Where an item lies: a bucket, and an id in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId {
    pub bucket: u16,
    pub id: String,
}
