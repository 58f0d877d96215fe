//! LiveKit's list of rooms: each instance reads it in LiveKit's Redis, if that is used; or else one instance asks LiveKit's API
//! for it, and tells the others.

use std::{sync::Arc, time::Instant};

use tokio::time::sleep;

use crate::{
    coordination::{Lease, SharedRooms},
    livekit::redis::{LiveKitRedis, LiveKitRedisError},
    presence::RoomName,
};

use super::{
    api_health::CallTarget,
    context::Context,
    failure::Failure,
    settings::{LEASE_TIME, LOOK_AGAIN_DELAY, LOOK_UP_TIMEOUT},
    state::{
        budget::CallPurpose,
        listed_rooms::{FRESH, RoomNames},
    },
};

impl Context {
    /// LiveKit's rooms. The list may be up to twice [`FRESH`] old: another instance may have asked for it. If LiveKit's Redis is
    /// used it has all that this was told of a second ago; later where names alone cannot be read, and metadata is long.
    pub async fn listed_rooms(&self) -> Option<Arc<RoomNames>> {
        let kept = self.kept().map(LiveKitRedis::rate);
        self.listed_rooms.get(kept, async || self.fetch_rooms().await).await
    }

    /// Whether LiveKit has the room. If it does not, nobody is inside.
    pub async fn exists(&self, room: &RoomName, purpose: CallPurpose) -> Result<bool, Failure> {
        if let Some(has_room) = self.has_kept(room).await {
            return Ok(has_room);
        }
        if !self.may_call_soon(purpose).await {
            return Err(Failure::NoBudget);
        }
        let rooms = self.api.list_rooms(&[room]).await;
        self.api_answered(CallTarget::Existence, rooms.as_ref().err());
        Ok(rooms?.iter().any(|listed| listed.name == *room))
    }

    /// Whether LiveKit's Redis has the room. None if it is not used, or does not say.
    pub async fn has_kept(&self, room: &RoomName) -> Option<bool> {
        match self.kept()?.room(room).await {
            Ok(kept) => Some(kept.is_some()),
            // There is a value, though it cannot be read.
            Err(LiveKitRedisError::Unreadable { .. } | LiveKitRedisError::TooLarge { .. }) => {
                Some(true)
            }
            Err(LiveKitRedisError::Down(_) | LiveKitRedisError::OverBudget { .. }) => None,
        }
    }

    async fn read_rooms(&self) -> Option<RoomNames> {
        let kept = self.kept()?;
        let asked_at = self.store.now().await.ok()?;
        let names = kept.room_names().await.ok()?;
        Some(RoomNames::kept(asked_at, names))
    }

    /// Reads LiveKit's rooms, or asks LiveKit for them, unless another instance did so lately.
    async fn fetch_rooms(&self) -> Option<RoomNames> {
        if let Some(rooms) = self.read_rooms().await {
            return Some(rooms);
        }
        let deadline = Instant::now() + LOOK_UP_TIMEOUT;
        let held = loop {
            if let Some(held) = self.peers.lease(&Lease::Rooms, LEASE_TIME).await.ok()? {
                break held;
            }
            if let Some(shared) = self.peers.shared_rooms().await.ok()? {
                return Some(shared.into());
            }
            if Instant::now() >= deadline {
                return None;
            }
            sleep(LOOK_AGAIN_DELAY).await;
        };
        let rooms = match self.peers.shared_rooms().await.ok()? {
            Some(shared) => Some(shared.into()),
            None => self.ask_livekit_for_rooms().await,
        };
        // If this fails the lease ends by itself.
        let _ = self.peers.release(&Lease::Rooms, held).await;
        rooms
    }

    async fn ask_livekit_for_rooms(&self) -> Option<RoomNames> {
        let asked_at = self.store.now().await.ok()?;
        // Clients wait for it, and one call serves all of them for a while: either share will do.
        if !self.may_call(CallPurpose::Watched).await && !self.may_call(CallPurpose::Waiting).await
        {
            return None;
        }
        let rooms = self.api.list_rooms(&[]).await;
        self.api_answered(CallTarget::Rooms, rooms.as_ref().err());
        let rooms = rooms.ok()?;
        let names = rooms.iter().map(|listed| listed.name.clone()).collect();
        let shared = SharedRooms { asked_at, names };
        // If this fails the others ask for themselves.
        let _ = self.peers.share_rooms(&shared, FRESH).await;
        self.tell_listed_metadata(&rooms, asked_at).await;
        Some(shared.into())
    }
}
