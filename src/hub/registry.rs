//! The registry of hot rooms: opens a room for its first subscriber, and reads rooms for clients.

use std::{ops::Range, sync::Arc, time::Duration};

use tokio::time::timeout;

use crate::{
    abort_on_panic,
    presence::{Event, RoomName, Version},
    reconcile::Reconciler,
    sse::Frame,
    store::{Position, RoomSummary, Store, StoreError},
};

use super::{
    FollowedList,
    about_room::AboutRoom,
    directory::{Directory, SubscribeAllError},
    hot_room::HotRoom,
    list_reading::ListReading,
    lookup::{Lookup, Source, StoredList},
    metrics::HubMetrics,
    room_topic::RoomTopic,
    shared::Shared,
    snapshot::{Snapshot, View},
    topic::{Subscription, Watchers},
};

/// A subscriber that returns with a later version waits at most this long for its room: up to a second until the next look at the
/// store is allowed, and a second for the look itself.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(2);

/// How the hub behaves.
#[derive(Clone, Debug)]
pub struct HubConfig {
    /// After a change is published, later ones within this time are published together at its end. Zero publishes each at once.
    pub coalesce: Duration,
}

/// A room as it was read.
#[derive(Debug)]
pub struct Reading {
    /// None for a room that the store does not hold.
    pub snapshot: Option<Arc<Snapshot>>,
    pub source: Source,
    /// Whether the list is known to be everybody.
    pub is_complete: bool,
}

/// The hot rooms of this instance.
#[derive(Clone)]
pub struct Hub(Arc<Shared>);

impl Hub {
    /// `reconciler` is none where LiveKit's API is not configured.
    pub fn new(
        store: Arc<dyn Store>,
        reconciler: Option<Reconciler>,
        watchers: Arc<dyn Watchers>,
        config: HubConfig,
        metrics: HubMetrics,
    ) -> Self {
        let HubConfig { coalesce } = config;
        Self(Arc::new(Shared::new(Lookup { store, reconciler }, watchers, metrics, coalesce)))
    }

    /// Subscribes to a room. Returns once the room's list is known, if need be from LiveKit; from then on the subscriber misses
    /// no change. `may_look_up` is called before LiveKit is asked about a room that neither the store nor LiveKit's list of rooms
    /// has.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn subscribe(
        &self,
        room: &RoomName,
        view: View,
        may_look_up: impl FnOnce() -> bool,
    ) -> Result<Subscription, StoreError> {
        let (subscription, new) = self.0.rooms.enter(room, view);
        if let Some(new) = new {
            let may_look_up = self.0.lookup.reconciler.is_some() && may_look_up();
            let task = HotRoom::run(Arc::clone(&self.0), new, may_look_up);
            tokio::spawn(abort_on_panic::task("the task of a hot room", task));
        }
        subscription.topic().ready().await?;
        Ok(subscription)
    }

    /// Follows a room's list. Returns once it is known. The room is hot for as long as somebody holds what this returns. No look-up is
    /// made for it.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn follow_list(&self, room: &RoomName) -> Result<FollowedList, StoreError> {
        let subscription = self.subscribe(room, View::RoomCounts, || false).await?;
        // It is hot, because it has a subscriber.
        let room = self.0.rooms.get(room).ok_or(StoreError::NoChanges)?;
        Ok(FollowedList::new(room, subscription))
    }

    /// Subscribes to the list of the rooms whose names begin with a prefix. Returns once it is known. No room is watched by that.
    ///
    /// # Errors
    /// The list of rooms could not be read, or too many different prefixes are watched.
    pub async fn subscribe_all(&self, prefix: &str) -> Result<Subscription, SubscribeAllError> {
        let (subscription, needs_task) = self.0.all_rooms.enter(prefix)?;
        if needs_task {
            let directory = Directory::run(Arc::clone(&self.0));
            tokio::spawn(abort_on_panic::task("the task of the list of rooms", directory));
        }
        subscription.topic().ready().await?;
        Ok(subscription)
    }

    /// The version from which a returning subscriber of a hot room can go on, if its claim that it was `sent` that version holds.
    /// Another instance may have sent it, or this one before the store lost it.
    ///
    /// Waits briefly until the room here is as new, or until a look at the store has found nothing as new. Then the subscriber is
    /// sent the list. If the store does not hold the room, or did not answer in time, the subscriber keeps what it has until the
    /// room is settled. The claim has no effect on anybody else.
    pub async fn catch_up(&self, room: &RoomName, sent: Version) -> Option<Version> {
        let lookup = &self.0.lookup;
        let room = self.0.rooms.get(room)?;
        if !self.is_plausible(sent) || lookup.is_empty_room(&room) {
            return None;
        }
        let caught_up = timeout(CATCH_UP_TIMEOUT, room.caught_up(sent)).await;
        let is_unknown = room.newest().is_none_or(|newest| newest.version() == Version::ZERO);
        match caught_up {
            Ok(true) => Some(sent),
            Ok(false) if !is_unknown || lookup.reconciler.is_none() => None,
            // A store that lost everything must not empty the subscriber's list: LiveKit is asked first who is inside.
            Ok(false) | Err(_) => {
                room.keep_subscribers_ahead();
                (!lookup.is_empty_room(&room)).then_some(sent)
            }
        }
    }

    /// Whether the store can have reached this version by now.
    fn is_plausible(&self, version: Version) -> bool {
        self.0.lookup.store.estimated_now().is_some_and(|now| version.is_plausible_at(now))
    }

    /// Reads a room: from the list that streams show, if it is hot; otherwise from the store, after LiveKit was asked where the
    /// store does not know everybody. `may_look_up` as for [`Self::subscribe`].
    ///
    /// # Errors
    /// The room is not hot, and the store could not be read.
    pub async fn read(
        &self,
        room: &RoomName,
        may_look_up: impl FnOnce() -> bool,
    ) -> Result<Reading, StoreError> {
        let lookup = &self.0.lookup;
        if let Some(hot) = self.0.rooms.get(room)
            && let Some(snapshot) = hot.newest()
        {
            let is_complete = lookup.is_complete(hot.completeness());
            return Ok(Reading { snapshot: Some(snapshot), source: Source::Hot, is_complete });
        }
        let (stored, source) = lookup.read_or_ask(room, may_look_up).await?;
        let position = stored.as_deref().map(Position::of);
        Ok(Reading {
            is_complete: lookup.is_complete(lookup.completeness(room, position)),
            snapshot: stored.map(|stored| Arc::new(Snapshot::of_room(room, &stored))),
            source,
        })
    }

    /// Reads a room's list, as [`Self::read`] reads the room. Nothing of it is encoded yet.
    ///
    /// # Errors
    /// The room is not hot, and the store could not be read.
    pub async fn read_list(
        &self,
        room: &RoomName,
        may_look_up: impl FnOnce() -> bool,
    ) -> Result<ListReading, StoreError> {
        let Shared { lookup, rooms, kept_lists, .. } = &*self.0;
        if let Some(hot) = rooms.get(room)
            && let Some(snapshot) = hot.newest()
        {
            let is_complete = lookup.is_complete(hot.completeness());
            return Ok(ListReading::hot(snapshot, is_complete));
        }
        let (stored, source) = lookup.list_or_ask(room, kept_lists, may_look_up).await?;
        let position = stored.as_ref().map(StoredList::position);
        let is_complete = lookup.is_complete(lookup.completeness(room, position));
        Ok(ListReading::stored(stored, source, is_complete))
    }

    /// A list as JSON, in a part of a frame. None for a room that the store does not hold. It is encoded once for all who ask for
    /// its version.
    pub fn encoded(
        &self,
        room: &RoomName,
        reading: ListReading,
    ) -> Option<(Arc<Frame>, Range<usize>)> {
        reading.encoded(room, &self.0.kept_lists)
    }

    /// Reads a room without its people, as [`Self::read`] reads it with them.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn about(
        &self,
        room: &RoomName,
        may_look_up: impl FnOnce() -> bool,
    ) -> Result<AboutRoom, StoreError> {
        let lookup = &self.0.lookup;
        if let Some(hot) = self.0.rooms.get(room).filter(|hot| hot.newest().is_some()) {
            let about = lookup.store.about(room).await?;
            let is_complete = lookup.is_complete(hot.completeness());
            let is_active = about.is_none() && lookup.is_listed(room).await;
            return Ok(AboutRoom::new(room, about, is_active, is_complete, Source::Hot));
        }
        let (about, source) = lookup.about_or_ask(room, may_look_up).await?;
        let position = about.as_ref().map(|about| about.position);
        let is_complete = lookup.is_complete(lookup.completeness(room, position));
        let is_active = about.is_none() && lookup.is_listed(room).await;
        Ok(AboutRoom::new(room, about, is_active, is_complete, source))
    }

    /// All rooms for the list of rooms, including those that only LiveKit knows.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn rooms(&self) -> Result<Vec<RoomSummary>, StoreError> {
        let rooms = self.0.lookup.store.rooms().await?;
        Ok(match &self.0.lookup.reconciler {
            Some(reconciler) => reconciler.complete(rooms).await,
            None => rooms,
        })
    }

    /// A hot room's name, in the memory that all who watch the room can share.
    pub fn shared_name(&self, room: &RoomName) -> Option<RoomName> {
        self.0.rooms.get(room).map(|hot| hot.name().clone())
    }

    /// Has a room compared soon, because something about it was missed.
    pub fn suspect(&self, room: &RoomName) {
        self.0.lookup.suspect(room);
    }

    /// Notes that a webhook could not be stored. Its room is not always known.
    pub fn webhook_refused(&self, room: Option<&RoomName>) {
        if let Some(reconciler) = &self.0.lookup.reconciler {
            reconciler.webhook_refused(room);
        }
    }

    /// Notes which key signed a webhook. That is how the reconciler recognises webhooks of a second LiveKit.
    pub fn webhook_signed(&self, event: &Event, key_name: &str) {
        if let Some(reconciler) = &self.0.lookup.reconciler {
            reconciler.webhook_signed(event, key_name);
        }
    }

    /// Notes that a webhook was stored, perhaps after others were not.
    pub fn webhook_taken(&self) {
        if let Some(reconciler) = &self.0.lookup.reconciler {
            reconciler.webhook_taken();
        }
    }

    /// Updates the metrics of hot rooms, which show how many are complete now, and of watched prefixes.
    pub fn count_rooms(&self) {
        let is_complete = |room: &RoomTopic| self.0.lookup.is_complete(room.completeness());
        let (complete, stale) = self.0.rooms.count(is_complete);
        self.0.metrics.count_rooms(complete, stale);
        self.0.metrics.count_prefixes(self.0.all_rooms.count());
    }
}
