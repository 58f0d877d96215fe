//! A hot room's list, for a task of a higher layer that follows it.

use std::sync::Arc;

use crate::presence::Version;

use super::{room_topic::RoomTopic, snapshot::Snapshot, topic::Subscription};

/// The list of a room that stays hot until this is dropped.
pub struct FollowedList {
    room: Arc<RoomTopic>,
    _subscription: Subscription,
}

impl FollowedList {
    pub(super) fn new(room: Arc<RoomTopic>, subscription: Subscription) -> Self {
        Self { room, _subscription: subscription }
    }

    /// Waits until the list has another version than this one, and returns the newest; some in between may be left out.
    pub async fn other_than(&self, held: Version) -> Arc<Snapshot> {
        self.room.other_than(held).await
    }

    /// The newest list. None only where it is not known yet.
    pub fn newest(&self) -> Option<Arc<Snapshot>> {
        self.room.newest()
    }
}
