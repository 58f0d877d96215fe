//! A room without its people.

use crate::presence::{Counts, LiveKitTime, Room, RoomName, RoomSid};

use super::{position::Position, summary::RoomSummary};

/// A room without its people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomAbout {
    pub position: Position,
    /// Whether it is in the list of rooms.
    pub is_active: bool,
    pub counts: Counts,
    /// LiveKit's id of the life that goes on.
    pub sid: Option<RoomSid>,
    /// As [`Room::started_at`].
    pub started_at: Option<LiveKitTime>,
    /// As [`Room::has_recorder`].
    pub has_recorder: Option<bool>,
    /// As [`Room::metadata`].
    pub metadata: Option<String>,
}

impl RoomAbout {
    /// Of a room, or of a part of it that has its metadata.
    pub(super) fn of(room: &Room) -> Self {
        Self {
            position: Position::of(room),
            is_active: room.is_active(),
            counts: room.counts(),
            sid: room.open_instance().map(|(sid, _)| sid.clone()),
            started_at: room.started_at(),
            has_recorder: room.has_recorder(),
            metadata: room.metadata().map(ToOwned::to_owned),
        }
    }

    /// As the list of rooms has it, also where it is not in the list. `is_complete`: whether everybody in it is known.
    pub fn summary(&self, name: &RoomName, is_complete: bool) -> RoomSummary {
        RoomSummary {
            name: name.clone(),
            counts: self.counts,
            started_at: self.started_at,
            recording: RoomSummary::recording(self.has_recorder, is_complete),
            is_complete,
        }
    }
}
