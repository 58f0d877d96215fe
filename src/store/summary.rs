//! What the list of rooms says of a room.

use crate::presence::{Counts, LiveKitTime, RoomName};

/// A room in the list of rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomSummary {
    pub name: RoomName,
    pub counts: Counts,
    /// As [`Room::started_at`](crate::presence::Room::started_at).
    pub started_at: Option<LiveKitTime>,
    /// Whether these are known to be everybody.
    pub is_complete: bool,
}

impl RoomSummary {
    /// How many participants clients see in it.
    pub fn count(&self) -> usize {
        self.counts.participants()
    }
}
