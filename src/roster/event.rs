//! What the feed of events says of a roster that a moderator changed.

use serde::Serialize;

use crate::presence::RoomName;

use super::entry::RosterEntry;

/// The name of the event.
pub const ROSTER_UPDATED: &str = "roster_updated";

/// The data of the event.
#[derive(Serialize)]
pub struct Happened<'event> {
    pub room: Named<'event>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<RosterEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed: Option<&'event str>,
}

/// A room, as events name it.
#[derive(Serialize)]
pub struct Named<'event> {
    name: &'event RoomName,
}

impl<'event> Happened<'event> {
    /// Something that happened to the roster of this room.
    pub fn of(room: &'event RoomName) -> Self {
        Self { room: Named { name: room }, entry: None, removed: None }
    }
}
