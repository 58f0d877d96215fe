//! The position of a room: how new the store's copy is, and what is known of it.

use crate::presence::{Completeness, Room, StoreTime, Version};

/// How far a room is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub version: Version,
    /// As [`Room::completeness`].
    pub completeness: Completeness,
    /// As [`Room::compared_at`].
    pub compared_at: StoreTime,
}

impl Position {
    pub fn of(room: &Room) -> Self {
        Self {
            version: room.version(),
            completeness: room.completeness(),
            compared_at: room.compared_at(),
        }
    }
}
