//! Who does what, and to whom.

use crate::{
    metrics::label,
    presence::{Identity, RoomName, TrackSid},
};

label! {
    /// What a moderator does, by the name that the feed, the log and the metrics have.
    pub enum Action as "action" {
        ParticipantUpdated = "participant_updated",
        ParticipantRemoved = "participant_removed",
        TrackMuted = "track_muted",
        TrackUnmuted = "track_unmuted",
        RoomEnded = "room_ended",
        ParticipantBanned = "participant_banned",
        BanLifted = "ban_lifted",
    }
}

/// What somebody does to a room, or to a participant or a track in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    pub room: RoomName,
    pub action: Action,
    /// The moderator.
    pub by: String,
    pub identity: Option<Identity>,
    pub track: Option<TrackSid>,
    /// It is about somebody whom clients may not see: only the log tells of it.
    pub is_hidden: bool,
}

impl Act {
    pub fn new(room: &RoomName, action: Action, by: &str) -> Self {
        Self {
            room: room.clone(),
            action,
            by: by.to_owned(),
            identity: None,
            track: None,
            is_hidden: false,
        }
    }

    /// The same, about this person.
    #[must_use]
    pub fn about(self, identity: &Identity) -> Self {
        Self { identity: Some(identity.clone()), ..self }
    }

    /// The same, about this track.
    #[must_use]
    pub fn of_track(self, track: &TrackSid) -> Self {
        Self { track: Some(track.clone()), ..self }
    }
}
