//! The other instances of the service, as far as they share work: who compares a room with LiveKit's list, who asks for its
//! rooms, and how many calls all of them together may make.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    presence::{RoomName, StoreTime},
    store::StoreError,
};

/// What one instance at a time does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Lease {
    /// Comparing a room with LiveKit's list.
    Comparison(RoomName),
    /// Asking LiveKit for its rooms.
    Rooms,
    /// Having rooms compared of which nobody knows what was missed.
    Sweep,
}

/// A lease that was taken: what it is given back with, so that nobody gives back another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseToken(pub String);

/// A share of the calls to LiveKit's API: a token bucket that refills evenly.
#[derive(Clone, Copy, Debug)]
pub struct CallBucket {
    pub name: &'static str,
    /// The time that one call costs.
    pub cost: Duration,
    /// How much of that may be used at once.
    pub burst: Duration,
    /// How much of it is left to others.
    pub reserve: Duration,
}

/// LiveKit's rooms, as one instance was told them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedRooms {
    /// When LiveKit was asked, by the store's clock.
    pub asked_at: StoreTime,
    pub names: Vec<RoomName>,
}

/// The other instances.
#[async_trait]
pub trait Peers: Send + Sync + 'static {
    /// Takes a lease, unless somebody holds it. It ends by itself after `time`.
    async fn lease(&self, lease: &Lease, time: Duration) -> Result<Option<LeaseToken>, StoreError>;

    /// Gives a lease back.
    async fn release(&self, lease: &Lease, held: LeaseToken) -> Result<(), StoreError>;

    /// Takes a call from each of these buckets, or from none. Returns when to ask again; zero where it was taken.
    async fn take_call(&self, buckets: &[CallBucket]) -> Result<Duration, StoreError>;

    /// Tells the others for how long a room has to wait for its comparison here, for as long as that is `fresh`. Returns the
    /// longest that any instance told.
    async fn share_wait(&self, wait: Duration, fresh: Duration) -> Result<Duration, StoreError>;

    /// Tells the others of LiveKit's rooms, for as long as that is fresh.
    async fn share_rooms(&self, rooms: &SharedRooms, fresh: Duration) -> Result<(), StoreError>;

    /// What another instance told of LiveKit's rooms, while it is fresh.
    async fn shared_rooms(&self) -> Result<Option<SharedRooms>, StoreError>;
}

/// There are no others.
#[derive(Clone, Copy, Debug)]
pub struct SingleInstance;

#[async_trait]
impl Peers for SingleInstance {
    async fn lease(
        &self,
        _lease: &Lease,
        _time: Duration,
    ) -> Result<Option<LeaseToken>, StoreError> {
        Ok(Some(LeaseToken(String::new())))
    }

    async fn release(&self, _lease: &Lease, _held: LeaseToken) -> Result<(), StoreError> {
        Ok(())
    }

    async fn take_call(&self, _buckets: &[CallBucket]) -> Result<Duration, StoreError> {
        Ok(Duration::ZERO)
    }

    async fn share_wait(&self, wait: Duration, _fresh: Duration) -> Result<Duration, StoreError> {
        Ok(wait)
    }

    async fn share_rooms(&self, _rooms: &SharedRooms, _fresh: Duration) -> Result<(), StoreError> {
        Ok(())
    }

    async fn shared_rooms(&self) -> Result<Option<SharedRooms>, StoreError> {
        Ok(None)
    }
}
