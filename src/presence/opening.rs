//! The life of LiveKit's room object: whether it is open, and when it started.

use serde::{Deserialize, Serialize};

use super::time::{LiveKitTime, StoreTime};

/// A session that joined more than this before a `room_started` cannot be in the room that started. The tolerance is needed
/// because `createdAt` is in whole seconds.
pub const START_TOLERANCE_MILLIS: i64 = 2_000;

/// What is known about LiveKit's room object, apart from who is inside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Opening {
    #[default]
    Unknown,
    /// A `room_started` without its `room_finished`: the room exists even while nobody is visible in it.
    Open,
    /// It ended, or LiveKit said that nobody is there. A `room_started` precedes the next session inside; if it did not come,
    /// other webhooks may have been missed too.
    Closed,
}

/// The newest `room_started`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Started {
    /// By LiveKit's clock.
    pub created_at: LiveKitTime,
    pub applied_at: StoreTime,
}

impl Started {
    /// Sessions that joined before this cannot have joined the room that started.
    pub fn horizon(&self) -> LiveKitTime {
        start_horizon(self.created_at)
    }
}

/// [`Started::horizon`] of a start that LiveKit made at `created_at`.
pub(super) fn start_horizon(created_at: LiveKitTime) -> LiveKitTime {
    created_at.plus_millis(-START_TOLERANCE_MILLIS)
}
