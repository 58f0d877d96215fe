//! LiveKit's Redis as comparisons use it: what it says counts as LiveKit's own list once it is known to be this LiveKit's.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Instant,
};

use crate::{
    coordination::CoordinationError,
    livekit::redis::LiveKitRedis,
    presence::{Room, RoomName, SessionInfo},
};

use super::{
    calls::ListCall,
    context::Context,
    state::{budget::CallPurpose, redis_trust::RedisTrust},
};

/// LiveKit's Redis, and whether it is this LiveKit's.
pub(super) struct KeptRooms {
    pub redis: Arc<LiveKitRedis>,
    trust: Mutex<RedisTrust>,
}

impl KeptRooms {
    pub fn new(redis: Arc<LiveKitRedis>) -> Self {
        Self { redis, trust: Mutex::default() }
    }

    /// Whether it may be read now, to describe people.
    pub fn may_read(&self) -> bool {
        let may_read = self.trust().may_read(Instant::now());
        self.redis.leave_alone(!may_read);
        may_read && self.redis.is_up()
    }

    /// Whether it is up, and has named somebody whom this LiveKit named too.
    pub fn is_trusted(&self) -> bool {
        self.redis.is_up() && self.trust().is_ours()
    }

    /// It has these people in a room. If a webhook has told of one of them, since that was doubted, it is the Redis of the LiveKit
    /// that sends the webhooks.
    pub fn compare(&self, held: &Room, people: &[SessionInfo]) {
        let Some(since) = self.trust().wants_proof_since() else { return };
        if people.iter().any(|info| held.has_heard_of(&info.sid, since)) {
            self.trust().names_ours();
        }
    }

    pub fn trust(&self) -> MutexGuard<'_, RedisTrust> {
        self.trust.lock().expect("never held in a panic")
    }
}

impl Context {
    /// Whether somebody may be probed in a room that gives no reason to doubt. Where lists cost no call, and a crash of LiveKit
    /// would be seen, that is once in two minutes.
    pub fn may_probe_quietly(&self, room: &RoomName) -> bool {
        let sees_crashes = self.kept().is_some_and(LiveKitRedis::sees_nodes);
        let mut schedule = self.schedule();
        let now = Instant::now();
        !sees_crashes || schedule.is_alarmed(now) || schedule.quiet_probes.take(room, now)
    }

    /// LiveKit's Redis, while it answers in the place of LiveKit's API.
    pub fn kept(&self) -> Option<&LiveKitRedis> {
        let kept = self.kept_rooms.as_ref().filter(|kept| kept.is_trusted());
        kept.map(|kept| &*kept.redis)
    }

    /// Whether a list needs no call now. If LiveKit's Redis fails after all, the call is taken then.
    pub fn lists_are_free(&self) -> bool {
        self.kept().is_some()
    }

    /// What the next list of a comparison needs. None if that is a call, and the budget allows none soon.
    pub async fn list_call_soon(&self, purpose: CallPurpose) -> Option<ListCall> {
        if self.lists_are_free() {
            return Some(ListCall::NotNeeded);
        }
        self.may_call_soon(purpose).await.then_some(ListCall::Taken)
    }

    /// Waits until the next list of a comparison can be had.
    pub async fn list_allowance(
        &self,
        purpose: CallPurpose,
    ) -> Result<ListCall, CoordinationError> {
        if self.lists_are_free() {
            return Ok(ListCall::NotNeeded);
        }
        self.allowance(purpose).await.map(|()| ListCall::Taken)
    }
}
