//! What a webhook says about a room, without its format.

use std::sync::Arc;

use super::{
    details::EventDetails,
    name::{EventId, Identity, ParticipantSid, RoomName, RoomSid, TrackSid},
    participant::{SessionInfo, Track},
    time::{HostTime, LiveKitTime},
};

/// One webhook's statement about one room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The same in every repetition. Without one a repetition cannot be recognised.
    pub id: Option<EventId>,
    pub room: RoomName,
    pub room_sid: Option<RoomSid>,
    /// When LiveKit made the room object, if it says so.
    pub room_created_at: Option<LiveKitTime>,
    /// The identity of the session it is about, if LiveKit names one. A store with a row for each person then reads only this
    /// row.
    pub identity: Option<Identity>,
    /// When LiveKit made the event, in whole seconds, so that it orders nothing within a second.
    pub created_at: LiveKitTime,
    /// When this instance received it, by its own clock. For measurements only; the rules never look.
    pub received_at: HostTime,
    pub kind: EventKind,
    /// For the log of events; of these the rules look only at the metadata of the room.
    pub details: Arc<EventDetails>,
}

impl Event {
    /// Whose session it is about; nobody's where it is about the room, or where LiveKit does not say.
    pub fn whose(&self) -> Option<&Identity> {
        match &self.kind {
            EventKind::Joined(info) => Some(&info.identity),
            EventKind::Room(_)
            | EventKind::Left { .. }
            | EventKind::TrackPublished { .. }
            | EventKind::TrackUnpublished { .. } => self.identity.as_ref(),
        }
    }

    /// The room's metadata; none where the webhook does not describe the room in full.
    pub fn room_metadata(&self) -> Option<&str> {
        self.room_created_at?;
        self.details.room.as_ref()?.metadata.as_deref()
    }

    /// LiveKit's name of it.
    pub fn name(&self) -> &'static str {
        match &self.kind {
            EventKind::Room(RoomLifecycle::Started) => "room_started",
            EventKind::Room(RoomLifecycle::Finished) => "room_finished",
            EventKind::Joined(_) => "participant_joined",
            EventKind::Left { was_active: true, .. } => "participant_left",
            EventKind::Left { was_active: false, .. } => "participant_connection_aborted",
            EventKind::TrackPublished { .. } => "track_published",
            EventKind::TrackUnpublished { .. } => "track_unpublished",
        }
    }

    /// The session that it is about; none where it is about the room.
    pub fn sid(&self) -> Option<&ParticipantSid> {
        match &self.kind {
            EventKind::Room(_) => None,
            EventKind::Joined(info) => Some(&info.sid),
            EventKind::Left { sid, .. }
            | EventKind::TrackPublished { sid, .. }
            | EventKind::TrackUnpublished { sid, .. } => Some(sid),
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    Room(RoomLifecycle),
    Joined(SessionInfo),
    /// `participant_left` and `participant_connection_aborted` alike.
    Left {
        sid: ParticipantSid,
        /// Whether LiveKit had sent its `participant_joined`. It sends none for a session that was aborted before it was active.
        was_active: bool,
    },
    TrackPublished {
        sid: ParticipantSid,
        track: Track,
    },
    TrackUnpublished {
        sid: ParticipantSid,
        track: TrackSid,
    },
}

/// A room object of a LiveKit node came to life or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomLifecycle {
    Started,
    Finished,
}
