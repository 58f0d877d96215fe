//! A room in the list of rooms, as clients see it.

use serde::Serialize;

use crate::{
    presence::{LiveKitTime, RoomName},
    store::RoomSummary,
};

/// Serializes to an element of `GET /rooms`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomBody {
    pub name: RoomName,
    num_participants: usize,
    /// Whether the numbers are known to count everybody.
    exact: bool,
    people: usize,
    agents: usize,
    publishers: usize,
    started_at: Option<LiveKitTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recording: Option<bool>,
}

impl From<RoomSummary> for RoomBody {
    fn from(room: RoomSummary) -> Self {
        Self {
            num_participants: room.count(),
            exact: room.is_complete,
            people: room.counts.people,
            agents: room.counts.agents,
            publishers: room.counts.publishers,
            started_at: room.started_at,
            recording: room.recording,
            name: room.name,
        }
    }
}
