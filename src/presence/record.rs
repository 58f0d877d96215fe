//! What one step on a room adds to its history: who was there, and when. The history itself is kept elsewhere; the rules only say
//! what it has to know.
//!
//! The times are milliseconds since the Unix epoch. A join has LiveKit's clock, a leave that of the instance which took its webhook,
//! what a comparison found the store's. They are taken for one clock here, and nowhere else.

use serde::{Deserialize, Serialize};

use super::{
    label::{ParticipantKind, TrackSource},
    name::{Identity, ParticipantSid, RoomSid},
    participant::{Participant, is_default},
    time::LiveKitTime,
};

/// One thing that the history of a room has to know. Of one step it has at most one about each session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Record {
    /// The room opened, or opened again after a crash of LiveKit, which may keep the sid.
    Opened(Opened),
    /// The room object ended.
    Closed(Closed),
    /// The session is in the list, as it is described here.
    Shown(Shown),
    /// The session is in the list no more, or was in it and has left, which nobody had said before.
    Left(Left),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    pub sid: RoomSid,
    /// When LiveKit made the room.
    pub created_at: LiveKitTime,
    /// When it said so.
    pub at: LiveKitTime,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Closed {
    pub sid: RoomSid,
    pub at: Moment,
    /// LiveKit's name of the reason, if it said one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub told_by: ToldBy,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    pub stay: Stay,
    /// When it joined, or when it could be seen again if it had been hidden.
    pub since: LiveKitTime,
    /// Whether it had been hidden, so that this is another interval of the same session.
    #[serde(default, skip_serializing_if = "is_default")]
    pub is_revealed: bool,
    /// What it sends, from `at` on.
    pub media: Media,
    pub at: LiveKitTime,
    pub told_by: ToldBy,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Left {
    pub stay: Stay,
    pub at: Moment,
    /// LiveKit's name of the reason, if it said one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub why: LeftWhy,
    pub told_by: ToldBy,
}

/// A session, as its history keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stay {
    pub sid: ParticipantSid,
    pub identity: Identity,
    /// The life of the room that it belongs to. None where the step does not tell; an earlier record may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_sid: Option<RoomSid>,
    pub joined_at: LiveKitTime,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub kind: ParticipantKind,
    /// Whether LiveKit counts it as an agent, and not as a person.
    #[serde(default, skip_serializing_if = "is_default")]
    pub agent: bool,
    /// Only where it is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
}

/// Which kinds of tracks a session publishes and does not mute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Media {
    #[serde(skip_serializing_if = "is_default")]
    pub microphone: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub camera: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub screen: bool,
}

/// A moment, and whether it is more than the best that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    pub at: LiveKitTime,
    pub exact: bool,
}

/// What told of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ToldBy {
    /// A webhook of the session or the room itself.
    Webhook,
    /// A comparison, a probe, or a webhook of something else.
    Comparison,
}

/// Why a session is in the list no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LeftWhy {
    /// LiveKit said that it left.
    Said,
    /// That was concluded. Its own webhook may come later, and knows better; or it turns out that it never left.
    Concluded,
    /// It goes on, hidden.
    Hidden,
}

impl Media {
    pub fn of(participant: &Participant) -> Self {
        let sends = |source: &TrackSource| {
            participant.tracks.iter().any(|track| track.source == *source && !track.muted)
        };
        Self {
            microphone: sends(&TrackSource::Microphone),
            camera: sends(&TrackSource::Camera),
            screen: sends(&TrackSource::ScreenShare),
        }
    }
}
