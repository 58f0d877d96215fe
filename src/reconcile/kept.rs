//! LiveKit's Redis as comparisons use it: what it says counts as LiveKit's own list once it is known to be this LiveKit's.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Instant,
};

use tracing::warn;

use crate::{
    coordination::CoordinationError,
    livekit::redis::{LiveKitRedis, Payment},
    presence::{ParticipantSid, Room, RoomName, SessionInfo},
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
        self.redis.is_up() && self.trust().may_read(Instant::now())
    }

    /// Whether it is up, and has named somebody whom this LiveKit named too.
    pub fn is_trusted(&self) -> bool {
        self.redis.is_up() && self.trust().is_ours()
    }

    /// It has these people in a room. If a webhook has told of one of them, it is the Redis of the LiveKit that sends the webhooks.
    pub fn compare(&self, held: &Room, people: &[SessionInfo]) {
        if people.iter().any(|info| held.has_heard_of(&info.sid)) {
            self.trust().names_ours();
        }
    }

    fn trust(&self) -> MutexGuard<'_, RedisTrust> {
        self.trust.lock().expect("never held in a panic")
    }
}

impl Context {
    /// Whether somebody may be probed in a room that gives no reason to doubt. Where lists cost no call, and nothing speaks for a
    /// crash, that is once in two minutes.
    pub fn may_probe_quietly(&self, room: &RoomName) -> bool {
        let is_free = self.lists_are_free();
        let mut schedule = self.schedule();
        let now = Instant::now();
        !is_free || schedule.is_alarmed(now) || schedule.quiet_probes.take(room, now)
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

    /// If it is not known yet whose LiveKit's Redis is: looks whether it has somebody of whom a webhook has told.
    pub async fn find_out_whose_redis_it_is(&self, room: &RoomName) {
        let Some(kept) = self.kept_rooms.as_ref().filter(|kept| kept.may_read()) else { return };
        if kept.is_trusted() {
            return;
        }
        let Ok(people) = kept.redis.participants(room, Payment::Waits).await else { return };
        if let Ok(Some(held)) = self.store.read(room).await {
            kept.compare(&held, &people.sessions);
        }
    }

    /// LiveKit's API listed these people. Finds out whether its Redis has one of them.
    pub async fn look_whose_redis_it_is(&self, room: &RoomName, listed: &[SessionInfo]) {
        let Some(kept) = self.kept_rooms.as_ref().filter(|kept| kept.may_read()) else { return };
        if kept.is_trusted() || listed.is_empty() {
            return;
        }
        let Ok(people) = kept.redis.participants(room, Payment::Waits).await else { return };
        let sids: Vec<ParticipantSid> = people.sessions.into_iter().map(|info| info.sid).collect();
        let is_anothers = kept.trust().compared(listed, &sids, Instant::now());
        if is_anothers {
            warn!(
                room.name = %room,
                "the Redis in `livekit.redis_url` has none of the people whom LiveKit lists, so it is another LiveKit's, or \
                 another database; it is not used for an hour, and LiveKit's API is asked instead"
            );
        }
    }
}
