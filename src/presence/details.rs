//! What a webhook says beside what the rules need. Only the log of events shows it, and every part of it may be shown. The rules
//! look at the room's metadata alone.

use serde::Serialize;

use super::{
    name::{RoomName, RoomSid},
    participant::{Participant, Track},
    time::LiveKitTime,
};

/// What a webhook says beside what the rules need; nothing where LiveKit leaves it out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventDetails {
    pub room: Option<RoomDetails>,
    /// Of a session that ended: how LiveKit describes it, if clients may see it.
    pub participant: Option<Participant>,
    pub track: Option<Track>,
    /// Why a session ended, by LiveKit's name.
    pub disconnect_reason: Option<String>,
    /// Why a room ended, by LiveKit's name.
    pub room_end_reason: Option<String>,
}

/// A room as a webhook describes it. Serializes to what subscribers get. LiveKit's number of participants is left out: it is up to
/// five seconds old, and often wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomDetails {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<RoomSid>,
    pub name: RoomName,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_time: Option<LiveKitTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_recording: Option<bool>,
}

impl RoomDetails {
    /// A room of which nothing else is known.
    pub fn named(name: RoomName, sid: Option<RoomSid>) -> Self {
        Self { sid, name, metadata: None, creation_time: None, active_recording: None }
    }
}
