//! What every store does.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::presence::{
    Applied, Event, Repaired, Repairs, Room, RoomName, StoreTime, Subjects, Version,
};

use super::{error::StoreError, feed::Feed, position::Position, summary::RoomSummary};

/// Where rooms live.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Applies one webhook's event as a whole, or not at all. When this returns, the store keeps it, and its change is on its way
    /// to every follower.
    async fn apply(&self, event: &Event) -> Result<Applied, StoreError>;

    /// Applies repairs computed from LiveKit's answer, each only if it still holds. `subjects` are the persons whom they are
    /// about.
    async fn repair(
        &self,
        room: &RoomName,
        repairs: &Repairs,
        subjects: &Subjects,
    ) -> Result<Repaired, StoreError>;

    /// The room as it is now, with what it remembers of sessions that are gone; none if the store does not hold it.
    async fn read(&self, room: &RoomName) -> Result<Option<Arc<Room>>, StoreError>;

    /// How far the room is, without the people in it. Costs the same for every room.
    async fn position(&self, room: &RoomName) -> Result<Option<Position>, StoreError>;

    /// Raises a room's version above one that an instance holds and had from this store (never from a client): the store lost
    /// what it had acknowledged. The room is then lost. Does nothing if the version is not below `held`.
    async fn advance(&self, room: &RoomName, held: Version) -> Result<(), StoreError>;

    /// The list of rooms, in no particular order.
    async fn rooms(&self) -> Result<Vec<RoomSummary>, StoreError>;

    /// Follows a room. Every change made after this returns arrives in order, or a gap arrives in its place.
    async fn follow(&self, room: &RoomName) -> Result<Feed, StoreError>;

    /// Keeps a watched room for another day.
    async fn renew(&self, room: &RoomName) -> Result<(), StoreError>;

    /// From now on rooms are trusted for longer than [`Rules::trust`](crate::presence::Rules) by this time, because their turns
    /// to be compared come later. What the store tells of trust leaves it out; callers add it, also to what they were told
    /// before.
    fn trust_longer(&self, by: Duration);

    /// The store's clock, by which it stamps what it applies.
    async fn now(&self) -> Result<StoreTime, StoreError>;

    /// The store's clock by its last answer, carried on by this host's steady clock. Costs no call, and is right even if this
    /// host's time of day is wrong. None before the first answer.
    fn estimated_now(&self) -> Option<StoreTime>;

    /// Fails unless the store can be reached and its changes arrive.
    async fn check(&self) -> Result<(), StoreError>;
}
