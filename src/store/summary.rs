//! What the list of rooms says of a room.

use crate::presence::{Counts, LiveKitTime, Room, RoomName, RoomSlice};

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

/// What the list of rooms says of a room, apart from how long its list is trusted; none where it does not list the room. A step that
/// changes this has the followers of all rooms told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listed(Option<ListedAs>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ListedAs {
    counts: Counts,
    started_at: Option<LiveKitTime>,
    has_recorder: Option<bool>,
    is_partial: bool,
}

impl Listed {
    pub fn of_room(room: &Room) -> Self {
        Self(room.is_active().then(|| ListedAs {
            counts: room.counts(),
            started_at: room.started_at(),
            has_recorder: room.has_recorder(),
            is_partial: room.completeness().is_partial(),
        }))
    }

    pub fn of_slice(slice: &RoomSlice) -> Self {
        Self(slice.is_active().then(|| ListedAs {
            counts: slice.counts(),
            started_at: slice.started_at(),
            has_recorder: slice.has_recorder(),
            is_partial: slice.completeness().is_partial(),
        }))
    }
}
