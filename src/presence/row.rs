//! What a store that is outside this process keeps of a room: a row of its own, and one for each person.
//!
//! Rows are plain structures that serialize with field names, so that an operator can read them. Each has the number of its
//! format; a reader refuses one that it does not know, because writing it back would lose what it does not understand.

use serde::{Deserialize, Serialize};

use super::{
    Completeness, EventId, GoneBecause, Knowledge, Opening, ParticipantSid, RoomSid, Session,
    Started, StoreTime, Version, inside::Inside, participant::is_default, session::Tracks,
};

/// The format of rows that this build reads and writes.
pub const ROW_FORMAT: u32 = 1;

/// The newest ids of events that a person's row remembers. LiveKit has one webhook of a room on its way at a time, so what it
/// repeats is among the last.
pub const MAX_EVENT_IDS: usize = 64;

/// The room's own row: what is known of it, and how many are in it, so that most steps need no other row but one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomRow {
    pub format: u32,
    pub version: Version,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<RoomSid>,
    pub epoch: u64,
    #[serde(flatten)]
    pub(super) knowledge: Knowledge,
    pub opening: Opening,
    #[serde(default, skip_serializing_if = "is_default")]
    pub compared_at: StoreTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Started>,
    /// Rows have its former name.
    #[serde(default, rename = "condemnedAt", skip_serializing_if = "Option::is_none")]
    pub evicted_at: Option<StoreTime>,
    /// How many participants the list has.
    pub visible: usize,
    /// How many sessions there are, and from when.
    pub(super) inside: Inside,
    /// What events said that named no identity, and the ids of those that are about no session.
    #[serde(default, skip_serializing_if = "PersonRow::is_empty")]
    pub nameless: PersonRow,
    /// When the store forgets the room, unless it is written again. The store's own business.
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
}

/// A session that is gone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GoneRow {
    pub sid: ParticipantSid,
    pub at: StoreTime,
    pub because: GoneBecause,
}

/// Tracks that wait for their session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WaitingRow {
    pub sid: ParticipantSid,
    pub at: StoreTime,
    pub(super) tracks: Tracks,
}

impl RoomRow {
    /// As [`super::Room::completeness`].
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
        }
    }
}
