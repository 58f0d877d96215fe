//! A room in the list of rooms, encoded once for every list and change that it is in.

use std::sync::Arc;

use crate::{hub::room_body::RoomBody, json, presence::RoomName, store::RoomSummary};

/// A room in the list.
#[derive(Debug)]
pub(super) struct ListedRoom {
    pub summary: RoomSummary,
    /// Whether the store has it, and not LiveKit alone.
    pub is_stored: bool,
    pub json: Box<[u8]>,
}

impl ListedRoom {
    pub fn encode(summary: RoomSummary, is_stored: bool) -> Arc<Self> {
        let json = json::line(&RoomBody::from(summary.clone()));
        Arc::new(Self { summary, is_stored, json: json.into_boxed_slice() })
    }

    pub fn name(&self) -> &RoomName {
        &self.summary.name
    }
}
