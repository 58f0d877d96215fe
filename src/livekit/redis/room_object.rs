//! A room as LiveKit keeps it.

use crate::presence::{LiveKitTime, RoomName, RoomSid};

/// What is needed of a room in LiveKit's Redis. Its `turnPassword` is never read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomObject {
    pub name: RoomName,
    pub sid: Option<RoomSid>,
    pub metadata: String,
    pub created_at: Option<LiveKitTime>,
    /// Whether somebody inside records it.
    pub active_recording: bool,
    /// How many people LiveKit counts. It writes this only now and then, so that it is often wrong.
    pub num_participants: u32,
}
