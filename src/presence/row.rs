//! What a store outside this process keeps of a room: the room's own row, and one for each person.
//!
//! Rows serialize with field names, so that an operator can read them. Each has the number of its format, and an instance refuses
//! a format that it does not know: writing the row back would lose what it does not understand.

use serde::{Deserialize, Serialize};

use super::{
    bans::Ban,
    counts::Parts,
    gone::GoneBecause,
    inside::Inside,
    knowledge::{Completeness, Knowledge},
    metadata::MetadataMark,
    name::{EventId, ParticipantSid, RoomSid},
    opening::{Opening, Started},
    participant::is_default,
    session::Session,
    time::{LiveKitTime, StoreTime, Version},
    tracks::Tracks,
};

/// The format of rows that this build reads and writes.
pub const ROW_FORMAT: u32 = 1;

/// How many ids of events a person's row remembers, the newest. LiveKit has one webhook of a room on its way at a time, so an
/// event that it repeats is among them.
pub const MAX_EVENT_IDS: usize = 64;

/// The room's own row: what is known of it, and how many are in it, so that most steps need only one row beside it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomRow {
    pub format: u32,
    pub version: Version,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<RoomSid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<LiveKitTime>,
    pub epoch: u64,
    #[serde(flatten)]
    pub(super) knowledge: Knowledge,
    pub opening: Opening,
    #[serde(default, skip_serializing_if = "is_default")]
    pub compared_at: StoreTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Started>,
    /// Of a room that has metadata, or had some: what is known of it. Its text is kept apart. Releases that do not know this field
    /// drop it when they write the row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<MetadataMark>,
    /// Releases that do not know this field drop it when they write the row.
    #[serde(default, skip_serializing_if = "is_default")]
    pub heard_at: StoreTime,
    /// Rows of format 1 have its former name.
    #[serde(default, rename = "condemnedAt", skip_serializing_if = "Option::is_none")]
    pub evicted_at: Option<StoreTime>,
    /// How many participants the list has.
    pub visible: usize,
    /// How many of them are agents, and how many publish. Releases that do not know this field drop it when they write the row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) counts: Option<Parts>,
    /// Counts of its sessions.
    pub(super) inside: Inside,
    /// What events without an identity said, and the ids of those about the room.
    #[serde(default, skip_serializing_if = "PersonRow::is_empty")]
    pub nameless: PersonRow,
    /// No ban of the room ends later. Releases that do not know this field, and that of a person's ban, drop them when they write
    /// the row.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) banned_until: StoreTime,
    /// When the store forgets the room unless it is written again. No rule reads it.
    pub kept_until: StoreTime,
}

/// One person's row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PersonRow {
    pub format: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<Session>,
    /// Sessions that are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<GoneRow>,
    /// Tracks of sessions that are not known yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<WaitingRow>,
    /// Events that were applied, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<(EventId, StoreTime)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban: Option<Ban>,
}

/// A session that is gone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GoneRow {
    pub sid: ParticipantSid,
    pub at: StoreTime,
    pub because: GoneBecause,
    /// Whether clients might not see it in the end. Releases that do not know this field drop it when they write the row.
    #[serde(default, skip_serializing_if = "is_default")]
    pub was_hidden: bool,
}

/// Tracks that wait for their session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WaitingRow {
    pub sid: ParticipantSid,
    pub at: StoreTime,
    pub(super) tracks: Tracks,
}

impl RoomRow {
    /// As [`Room::completeness`](super::Room::completeness).
    pub fn completeness(&self) -> Completeness {
        self.knowledge.completeness_with(&self.inside)
    }
}

impl PersonRow {
    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
            && self.gone.is_empty()
            && self.waiting.is_empty()
            && self.events.is_empty()
            && self.ban.is_none()
    }
}

impl Default for PersonRow {
    fn default() -> Self {
        Self {
            format: ROW_FORMAT,
            sessions: Vec::new(),
            gone: Vec::new(),
            waiting: Vec::new(),
            events: Vec::new(),
            ban: None,
        }
    }
}
