//! What every store does.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::presence::{
    Applied, Ban, BanChanged, Event, Identity, MetadataTold, Repaired, Repairs, Room, RoomName,
    StoreTime, Subjects, ToldMetadata, Version,
};

use super::{
    about::RoomAbout,
    error::StoreError,
    events::{EventFeed, FeedEvent, LogId, Resumed},
    feed::Feed,
    position::Position,
    rooms_feed::RoomsFeed,
    summary::RoomSummary,
};

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

    /// Bans somebody from a room, or lifts their ban. They leave the list, or return to it, in the same step.
    async fn ban(
        &self,
        room: &RoomName,
        identity: &Identity,
        ban: Option<&Ban>,
    ) -> Result<BanChanged, StoreError>;

    /// The ban of a person, if one holds now. Costs the same for every room.
    async fn ban_of(&self, room: &RoomName, identity: &Identity)
    -> Result<Option<Ban>, StoreError>;

    /// The room as it is now, with what it remembers of sessions that are gone; none if the store does not hold it.
    async fn read(&self, room: &RoomName) -> Result<Option<Arc<Room>>, StoreError>;

    /// Takes over what LiveKit says of a room's metadata, unless the store knows better. A room that the store does not hold stays
    /// out of it.
    async fn tell_metadata(
        &self,
        room: &RoomName,
        told: &ToldMetadata,
    ) -> Result<MetadataTold, StoreError>;

    /// The room without its people: its numbers and its metadata; none if the store does not hold it. Costs the same for every
    /// room.
    async fn about(&self, room: &RoomName) -> Result<Option<RoomAbout>, StoreError>;

    /// The room's version and what is known of it, without its people. Costs the same for every room.
    async fn position(&self, room: &RoomName) -> Result<Option<Position>, StoreError>;

    /// Called when the store has lost what it had acknowledged: raises the room's version above `held`, which an instance got
    /// from this store (never from a client), and marks the room as lost. Does nothing if the version is not below `held`.
    async fn advance(&self, room: &RoomName, held: Version) -> Result<(), StoreError>;

    /// The list of rooms, in no particular order. May be a second old.
    async fn rooms(&self) -> Result<Vec<RoomSummary>, StoreError>;

    /// The list of rooms as it is after this call began.
    async fn rooms_anew(&self) -> Result<Vec<RoomSummary>, StoreError>;

    /// What the list of rooms says of these rooms, after this call began. A room that is not in the list is left out.
    async fn summaries(&self, rooms: &[RoomName]) -> Result<Vec<RoomSummary>, StoreError>;

    /// Follows the list of rooms. The name of each room that is listed differently after this returns arrives, or a gap arrives in
    /// its place. What differs only because time has passed does not arrive.
    async fn follow_rooms(&self) -> Result<RoomsFeed, StoreError>;

    /// Follows a room. Every change made after this returns arrives in order, or a gap arrives in its place. So does word of its
    /// roster, as far as [`tell_roster`](Self::tell_roster) goes.
    async fn follow(&self, room: &RoomName) -> Result<Feed, StoreError>;

    /// Tells the followers of a room, on every instance, that its roster was changed. May get lost.
    async fn tell_roster(&self, room: &RoomName) -> Result<(), StoreError>;

    /// Follows the log of events, which starts with its first follower. When this returns, every instance logs what happens from
    /// now on, and an event arrives once it is in the log, in order for each room.
    async fn follow_events(&self) -> Result<EventFeed, StoreError>;

    /// At most `max` events after a position, in order, or a gap where the log does not have all of them.
    async fn events_after(&self, after: LogId, max: usize) -> Result<Resumed, StoreError>;

    /// Logs an event that is about nobody in a room, once by its id. Does nothing while the log does not run.
    async fn log_event(&self, event: FeedEvent) -> Result<(), StoreError>;

    /// Keeps a watched room, which may have no writes, for another day.
    async fn renew(&self, room: &RoomName) -> Result<(), StoreError>;

    /// From now on rooms are trusted for this much longer than [`Rules::trust`](crate::presence::Rules), because they wait longer
    /// for their comparison. The times that the store returns do not include it. Callers add it, also to times that they got
    /// earlier.
    fn trust_longer(&self, by: Duration);

    /// The store's clock, by which it stamps what it applies.
    async fn now(&self) -> Result<StoreTime, StoreError>;

    /// The store's clock by its last answer, carried on by this host's steady clock. Costs no call, and is right even if this
    /// host's time of day is wrong. None before the first answer.
    fn estimated_now(&self) -> Option<StoreTime>;

    /// Fails unless the store can be reached and its changes arrive.
    async fn check(&self) -> Result<(), StoreError>;
}
