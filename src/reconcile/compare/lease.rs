//! Lets one instance at a time compare a room, and none if another has already done it.

use std::time::{Duration, Instant};

use crate::{
    coordination::{CoordinationError, Lease, LeaseToken},
    reconcile::{
        calls::ListCall,
        failure::Failure,
        settings::{CALLING_EVERY, LEASE_TIME, LOOK_AGAIN_DELAY},
        state::queue::Importance,
    },
    store::StoreError,
};

use super::comparison::Comparison;

/// A watched room is left alone if another instance compared it within this part of the time after which it is due.
const LATELY: f64 = 0.6;

/// Whether a comparison has to be made.
pub enum Begun {
    Now(LeaseToken),
    /// Another instance compares the room at the moment.
    Later(Duration),
    /// All instances together have no call left.
    NoCall,
    /// Another instance has compared it, this long ago.
    Done(Duration),
}

impl Comparison<'_> {
    /// Takes the lease of the room, and, if the list costs one, a call from what all instances share, if a comparison has to be
    /// made.
    pub async fn begin(&self, call: ListCall, wanted_at: Instant) -> Result<Begun, Failure> {
        let Some(held) = self.take_lease().await? else {
            return Ok(Begun::Later(LOOK_AGAIN_DELAY.mul_f64(1.0 + fastrand::f64())));
        };
        match self.reason_not_to_begin(call, wanted_at).await {
            Ok(None) => Ok(Begun::Now(held)),
            Ok(Some(begun)) => {
                self.end(held).await;
                Ok(begun)
            }
            Err(error) => {
                self.end(held).await;
                Err(error)
            }
        }
    }

    pub async fn end(&self, held: LeaseToken) {
        // If this fails the lease ends by itself.
        let _ = self.context.peers.release(&self.lease(), held).await;
    }

    pub(super) async fn take_lease(&self) -> Result<Option<LeaseToken>, CoordinationError> {
        self.context.peers.lease(&self.lease(), LEASE_TIME).await
    }

    fn lease(&self) -> Lease {
        Lease::Comparison(self.room.clone())
    }

    /// Why the comparison must not be made now. None if it may: then the call was taken that it needs.
    async fn reason_not_to_begin(
        &self,
        call: ListCall,
        wanted_at: Instant,
    ) -> Result<Option<Begun>, Failure> {
        // If LiveKit does not have the room, the list of its people would say no more.
        if let Some(age) = self.done_before(wanted_at).await? {
            return Ok(Some(Begun::Done(age)));
        }
        if self.is_unlisted_and_empty().await? {
            return Ok(Some(Begun::Done(Duration::ZERO)));
        }
        let is_taken = match call {
            ListCall::Taken => self.context.take_shared_call(self.purpose).await?.is_zero(),
            ListCall::NotNeeded => true,
        };
        Ok((!is_taken).then_some(Begun::NoCall))
    }

    /// How long ago another instance has compared the room, if that was after this comparison was wanted. For the regular turn of
    /// a watched room: if that was lately.
    async fn done_before(&self, wanted_at: Instant) -> Result<Option<Duration>, StoreError> {
        let Some(held) = self.context.store.position(self.room).await? else { return Ok(None) };
        let now = self.context.store.now().await?;
        let since = match self.importance {
            Importance::Watched => self.context.interval(self.room).mul_f64(LATELY),
            Importance::Calling => CALLING_EVERY.mul_f64(LATELY),
            Importance::Waiting
            | Importance::Suspicious
            | Importance::Known
            | Importance::Listed => wanted_at.elapsed(),
        };
        // A store whose clock was ahead may have written a time that is still to come.
        let is_done = held.compared_at >= now - since && held.compared_at <= now;
        Ok(is_done.then(|| now.since(held.compared_at)))
    }

    /// Whether this is a watched room that no store holds, and LiveKit, asked for its rooms, did not have it either.
    async fn is_unlisted_and_empty(&self) -> Result<bool, StoreError> {
        let is_watched = self.importance == Importance::Watched;
        if !is_watched || self.context.store.position(self.room).await?.is_some() {
            return Ok(false);
        }
        let unlisted_at = self.unlisted_at().await;
        if let Some(unlisted_at) = unlisted_at {
            self.nobody_inside(unlisted_at);
            self.context.metrics.compared(self.importance, true);
        }
        Ok(unlisted_at.is_some())
    }
}
