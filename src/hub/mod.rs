//! Hot rooms: those that somebody on this instance watches.
//!
//! One task per hot room follows the store's feed, holds the room's list, and puts its newest snapshot, encoded once, into the
//! room's topic. The workers are told that a topic changed, and take it from there; the hub never sees a socket.

mod hot_room;
mod list;
mod metrics;
mod snapshot;
mod topic;

pub use metrics::HubMetrics;
pub use snapshot::{Snapshot, View};
pub use topic::{Subscription, Topic, Watchers};

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use tokio::{sync::Semaphore, time::timeout};

use crate::{
    abort_on_panic,
    presence::{Completeness, Event, Room, RoomName, Version},
    reconcile::{Confirmation, Reconciler},
    store::{Position, RoomSummary, Store, StoreError},
};

use hot_room::HotRoom;

/// A subscriber that comes back to an instance that is behind waits this long for it: a second until the store may be looked at again,
/// and one for the look.
const CATCH_UP: Duration = Duration::from_secs(2);

/// More rooms are not read again at the same time.
const MAX_READING_AGAIN: usize = 64;

/// How the hub behaves.
#[derive(Clone, Debug)]
pub struct HubConfig {
    /// After a change goes out, what follows within this time goes out together at its end. Zero: nothing is held back.
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

/// Where a reading came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The room is watched on this instance.
    Hot,
    Store,
    /// LiveKit was asked first.
    LiveKit,
}

/// The hot rooms of this instance.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

pub(crate) struct Inner {
    store: Arc<dyn Store>,
    /// None where LiveKit's API is not configured.
    reconciler: Option<Reconciler>,
    watchers: Arc<dyn Watchers>,
    config: HubConfig,
    metrics: HubMetrics,
    rooms: Mutex<Rooms>,
    /// Rooms that are read again at the same time.
    reading_again: Semaphore,
}

#[derive(Default)]
struct Rooms {
    by_name: HashMap<RoomName, Arc<Topic>>,
    next_id: u64,
}

impl Hub {
    pub fn new(
        store: Arc<dyn Store>,
        reconciler: Option<Reconciler>,
        watchers: Arc<dyn Watchers>,
        config: HubConfig,
        metrics: HubMetrics,
    ) -> Self {
        let rooms = Mutex::default();
        let reading_again = Semaphore::new(MAX_READING_AGAIN);
        Self(Arc::new(Inner { store, reconciler, watchers, config, metrics, rooms, reading_again }))
    }

    /// Watches a room. Returns once the room's list is known, if need be from LiveKit; from then on no change of it is
    /// missed. `may_look_up` is asked before LiveKit is, about a room that the store does not hold.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn subscribe(
        &self,
        room: &RoomName,
        view: View,
        may_look_up: impl FnOnce() -> bool,
    ) -> Result<Subscription, StoreError> {
        let (subscription, is_new) = self.enter(room, view);
        if is_new {
            let may_look_up = self.0.reconciler.is_some() && may_look_up();
            let (hub, topic) = (Arc::clone(&self.0), Arc::clone(subscription.topic()));
            let room = HotRoom::run(hub, topic, may_look_up);
            tokio::spawn(abort_on_panic::task("the task of a hot room", room));
        }
        subscription.topic().ready().await?;
        Ok(subscription)
    }

    /// What a subscriber has that says it was `sent` this version: by another instance, or by this one before the store lost it. It is
    /// sent only what is later. Waits, for a moment, until the room here is as new, or the store is known to have nothing as new:
    /// then the subscriber has nothing that counts, and is sent the list. Nobody else notices what it says.
    pub async fn catch_up(&self, subscription: &Subscription, sent: Version) -> Option<Version> {
        let topic = subscription.topic();
        if !self.is_plausible(sent) || self.0.is_empty_room(topic) {
            return None;
        }
        let caught_up = timeout(CATCH_UP, topic.caught_up(sent)).await;
        let is_unknown = topic.newest().is_none_or(|newest| newest.version() == Version::ZERO);
        match caught_up {
            Ok(true) => Some(sent),
            Ok(false) if !is_unknown || self.0.reconciler.is_none() => None,
            // A store that lost everything must not empty its list: LiveKit is asked who is inside.
            Ok(false) | Err(_) => {
                topic.keep_subscribers_ahead();
                (!self.0.is_empty_room(topic)).then_some(sent)
            }
        }
    }

    /// Whether the store can have given this version by now.
    fn is_plausible(&self, version: Version) -> bool {
        self.0.store.estimated_now().is_some_and(|now| version.is_plausible_at(now))
    }

    /// Reads a room: from the list that streams show, if it is hot, otherwise from the store; and where that does not know
    /// everybody, LiveKit is asked first. `may_look_up` as for [`Self::subscribe`].
    ///
    /// # Errors
    /// The room is not hot, and the store could not be read.
    pub async fn read(
        &self,
        room: &RoomName,
        may_look_up: impl FnOnce() -> bool,
    ) -> Result<Reading, StoreError> {
        let topic = self.0.rooms().by_name.get(room).cloned();
        if let Some((topic, snapshot)) =
            topic.and_then(|topic| topic.newest().map(|newest| (topic, newest)))
        {
            let is_complete = self.0.is_complete(topic.completeness());
            return Ok(Reading { snapshot: Some(snapshot), source: Source::Hot, is_complete });
        }
        let (stored, source) = self.0.read_or_ask(room, may_look_up).await?;
        let position = stored.as_deref().map(Position::of);
        Ok(Reading {
            is_complete: self.0.is_complete(self.0.completeness(room, position)),
            snapshot: stored.map(|stored| Arc::new(Snapshot::of_room(room, &stored))),
            source,
        })
    }

    /// All rooms of the list, those that only LiveKit knows among them.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn rooms(&self) -> Result<Vec<RoomSummary>, StoreError> {
        let rooms = self.0.store.rooms().await?;
        Ok(match &self.0.reconciler {
            Some(reconciler) => reconciler.complete(rooms).await,
            None => rooms,
        })
    }

    /// Something about a room was missed, so LiveKit has to be asked.
    pub fn suspect(&self, room: &RoomName) {
        self.0.suspect(room);
    }

    /// A webhook could not be stored; of which room it was is not always known.
    pub fn webhook_refused(&self, room: Option<&RoomName>) {
        if let Some(reconciler) = &self.0.reconciler {
            reconciler.webhook_refused(room);
        }
    }

    /// Webhooks of another LiveKit than the one that is asked are told by the key that signs them.
    pub fn webhook_signed(&self, event: &Event, key_name: &str) {
        if let Some(reconciler) = &self.0.reconciler {
            reconciler.webhook_signed(event, key_name);
        }
    }

    /// A webhook was stored, after others were not.
    pub fn webhook_taken(&self) {
        if let Some(reconciler) = &self.0.reconciler {
            reconciler.webhook_taken();
        }
    }

    /// Counts the rooms by whether they are complete now.
    pub fn count_rooms(&self) {
        let rooms = self.0.rooms();
        let is_complete = |topic: &&Arc<Topic>| self.0.is_complete(topic.completeness());
        let complete = rooms.by_name.values().filter(is_complete).count();
        self.0.metrics.count_rooms(complete, rooms.by_name.len() - complete);
    }

    /// Counts the subscriber in before anything else happens, so that the room cannot end under it.
    fn enter(&self, room: &RoomName, view: View) -> (Subscription, bool) {
        let mut rooms = self.0.rooms();
        if let Some(topic) = rooms.by_name.get(room) {
            return (topic.subscribe(view), false);
        }
        let topic = Arc::new(Topic::new(rooms.next_id, room.clone()));
        rooms.next_id += 1;
        rooms.by_name.insert(room.clone(), Arc::clone(&topic));
        (topic.subscribe(view), true)
    }
}

impl Inner {
    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().expect("nothing panics while the rooms are locked")
    }

    fn suspect(&self, room: &RoomName) {
        if let Some(reconciler) = &self.reconciler {
            reconciler.suspect(room);
        }
    }

    fn somebody_is_called(&self, room: &RoomName) {
        if let Some(reconciler) = &self.reconciler {
            reconciler.somebody_is_called(room);
        }
    }

    /// Reads a room from the store. Where that does not know everybody, LiveKit is asked first.
    async fn read_or_ask(
        &self,
        room: &RoomName,
        may_look_up: impl FnOnce() -> bool,
    ) -> Result<(Option<Arc<Room>>, Source), StoreError> {
        let asked_at = Instant::now();
        let mut stored = self.store.read(room).await?;
        let Some(reconciler) = &self.reconciler else { return Ok((stored, Source::Store)) };
        let mut is_known = self.is_complete_as_stored(room, stored.as_deref());
        let mut is_free = stored.is_some() || is_known;
        if !is_free {
            is_free = reconciler.is_real(room).await;
            // Others may have had it compared meanwhile.
            stored = self.store.read(room).await?;
            is_known = self.is_complete_as_stored(room, stored.as_deref());
        }
        let is_outdated = stored.as_deref().zip(self.store.estimated_now());
        let is_outdated =
            is_outdated.is_some_and(|(stored, now)| Reconciler::is_outdated(stored, now));
        let is_known = is_known && !is_outdated;
        if is_known || !is_free && !may_look_up() {
            return Ok((stored, Source::Store));
        }
        let source = match reconciler.confirm(room, asked_at).await {
            Confirmation::Confirmed => Source::LiveKit,
            Confirmation::Unknown => Source::Store,
        };
        // Webhooks may have come meanwhile.
        Ok((self.store.read(room).await?, source))
    }

    /// Whether what the store has of a room is everybody now.
    fn is_complete_as_stored(&self, name: &RoomName, stored: Option<&Room>) -> bool {
        self.is_complete(self.completeness(name, stored.map(Position::of)))
    }

    /// Whether a room's list is everybody, and until when.
    fn completeness(&self, name: &RoomName, stored: Option<Position>) -> Completeness {
        match (stored, &self.reconciler) {
            (Some(stored), _) => stored.completeness,
            (None, Some(reconciler)) => reconciler.completeness_of_empty(name),
            (None, None) => Completeness::Partial,
        }
    }

    /// Whether a list is complete now. It was the store that said until when, so its clock is asked, not this host's. Rooms that
    /// have to wait for LiveKit to be asked are trusted for longer.
    fn is_complete(&self, completeness: Completeness) -> bool {
        let reconciler = self.reconciler.as_ref().filter(|_| !completeness.is_partial());
        let extra_trust = reconciler.map(Reconciler::extra_trust).unwrap_or_default();
        let trusted = completeness.trusted_longer(extra_trust);
        self.store.estimated_now().is_some_and(|now| trusted.is_complete_at(now))
    }

    /// Whether LiveKit said that nobody is in a room that the store does not hold: nothing later may ever come.
    fn is_empty_room(&self, topic: &Topic) -> bool {
        let is_unknown = topic.newest().is_some_and(|newest| newest.version() == Version::ZERO);
        is_unknown && self.is_complete(topic.completeness())
    }

    /// Ends a room unless somebody entered meanwhile. Entering takes the same lock, so nobody is left behind.
    fn leave_if_idle(&self, topic: &Topic) -> bool {
        let mut rooms = self.rooms();
        if topic.has_subscribers() {
            return false;
        }
        rooms.by_name.remove(topic.name());
        true
    }

    /// Ends a room that could not be opened; those who wait for it are told, and the next subscriber tries anew.
    fn give_up(&self, topic: &Topic, error: StoreError) {
        self.rooms().by_name.remove(topic.name());
        topic.fail(error);
    }
}

#[cfg(test)]
pub fn test_slot() -> Arc<Topic> {
    Arc::new(Topic::new(0, RoomName::parse("test").expect("a room's name")))
}
