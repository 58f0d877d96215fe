//! One thing that happened, as subscribers of everything are sent it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{json, presence::RoomName};

/// One thing that happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FeedEvent {
    /// LiveKit's id of the event (`EV_…`); a stable one of ours (`LKP_…`) where no webhook says it.
    pub id: String,
    /// LiveKit's name for what happened.
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomName>,
    /// What subscribers may see of it: an object, in one line.
    pub data: Box<RawValue>,
    /// When it happened, in milliseconds since the Unix epoch: by LiveKit's clock where a webhook says it, otherwise by the
    /// store's.
    pub timestamp: i64,
    /// What showed it; only of `participant_joined`, `participant_left` and `room_metadata_changed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<EventSource>,
}

impl FeedEvent {
    /// An event about nobody in a room. `data` must be an object.
    pub fn new(
        id: String,
        name: String,
        room: Option<RoomName>,
        data: &impl Serialize,
        timestamp: i64,
    ) -> Self {
        Self { id, name, room, data: raw(data), timestamp, source: None }
    }
}

/// A value as JSON in one line.
pub(super) fn raw(value: &impl Serialize) -> Box<RawValue> {
    let line = String::from_utf8(json::line(value)).expect("JSON is UTF-8");
    RawValue::from_string(line).expect("it is JSON")
}

/// What showed that somebody entered or left a list, or that a room's metadata is another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventSource {
    /// A webhook of the session itself.
    Webhook,
    /// A newer session of the identity joined.
    ParticipantJoined,
    /// A newer session of the identity left, and this one, which is still there, is shown again.
    ParticipantLeft,
    RoomStarted,
    RoomFinished,
    /// A comparison with LiveKit's own list, or a liveness probe.
    Comparison,
    /// A moderator did it.
    Moderation,
    /// What a later version names, by its name.
    #[serde(untagged)]
    Other(Box<str>),
}

impl EventSource {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Webhook => "webhook",
            Self::ParticipantJoined => "participant_joined",
            Self::ParticipantLeft => "participant_left",
            Self::RoomStarted => "room_started",
            Self::RoomFinished => "room_finished",
            Self::Comparison => "comparison",
            Self::Moderation => "moderation",
            Self::Other(name) => name,
        }
    }
}
