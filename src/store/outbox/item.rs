//! What one step adds to the history of a room.

use serde::{Deserialize, Serialize};

use crate::presence::{LiveKitTime, Record, RoomName, RoomSid};

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
