//! What the list of rooms says of a room.

use crate::presence::RoomName;

/// A room in the list of rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomSummary {
    pub name: RoomName,
    /// How many participants clients see in it.
    pub count: usize,
    /// Whether these are known to be everybody.
    pub is_complete: bool,
}
