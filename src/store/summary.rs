//! What the list of rooms says of a room.

use crate::presence::{Counts, LiveKitTime, RoomName};

/// A room in the list of rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomSummary {
    pub name: RoomName,
    pub counts: Counts,
    /// As [`Room::started_at`](crate::presence::Room::started_at).
    pub started_at: Option<LiveKitTime>,
    /// Whether it is recorded. None where that is not known.
    pub recording: Option<bool>,
    /// Whether these are known to be everybody.
    pub is_complete: bool,
}

impl RoomSummary {
    /// Whether a room is recorded in which a recorder is known to be, or not to be. A room that is not complete may have another.
    pub(super) fn recording(has_recorder: Option<bool>, is_complete: bool) -> Option<bool> {
        has_recorder.filter(|has_recorder| *has_recorder || is_complete)
    }

    /// How many participants clients see in it.
    pub fn count(&self) -> usize {
        self.counts.participants()
    }
}
