//! What moderation asks of the comparisons: calls from their budget, for moderators and for removals, and that they hear what
//! LiveKit answered.

use std::time::{Duration, Instant};

use crate::{coordination::CoordinationError, livekit::ApiError, presence::RoomName};

use super::{api_health::CallTarget, gateway::Reconciler, state::budget::CallPurpose};

impl Reconciler {
    /// Takes a call of LiveKit's API from the budget, where people who moderate go first. It may take a second. If the budget has
    /// none, returns after which time it may have one.
    ///
    /// # Errors
    /// The budget that all instances share cannot be asked.
    pub async fn moderators_call(&self) -> Result<Result<(), Duration>, CoordinationError> {
        self.0.moderators_call().await
    }

    /// Takes a call to remove somebody who is banned and came again, from the share of the budget that is for that. False if there
    /// is none now, or the budget that all instances share cannot be asked.
    pub async fn removals_call(&self) -> bool {
        self.0.may_call(CallPurpose::Removal).await
    }

    /// Whether this instance's own budget has such a call now. Asks nobody.
    pub fn may_remove(&self) -> bool {
        self.0.schedule().budget.has(CallPurpose::Removal, Instant::now())
    }

    /// How many calls this instance could make at once. Asks nobody.
    pub fn calls_left(&self) -> u32 {
        self.0.schedule().budget.calls_left(Instant::now())
    }

    /// Notes what LiveKit answered to a moderator's call, or to a removal: whether its API works, and whether it limits our calls.
    pub fn moderator_answered(&self, room: &RoomName, error: Option<&ApiError>) {
        // What LiveKit declines it has understood.
        let failure = error.filter(|error| !matches!(error, ApiError::Declined { .. }));
        self.0.api_answered(CallTarget::Room(room), failure);
    }
}
