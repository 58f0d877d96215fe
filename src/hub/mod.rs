//! Hot rooms: those that somebody on this instance watches.
//!
//! One task per hot room follows the store's feed, holds the room's list, and puts its newest edition, encoded once, into the
//! room's slot. Whoever delivers is told that a slot changed, and takes it from there; the hub never sees a socket.

mod edition;
mod frame;
mod hot_room;
mod list;
mod metrics;
mod slot;

pub use edition::{Edition, View};
pub use frame::{Frame, PREFIX_BYTES, encode_chunk, heartbeat, last_frame, retry_frame};
pub use metrics::HubMetrics;
pub use slot::{RoomSlot, Subscription, Watchers};

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use crate::{
    abort_on_panic,
    presence::{RoomName, StoreTime},
    store::{Store, StoreError},
};

use hot_room::HotRoom;

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
    pub edition: Option<Arc<Edition>>,
    /// Whether it is watched on this instance.
    pub is_hot: bool,
    /// Until when the list counts as everybody.
    pub confirmed_until: StoreTime,
}

/// The hot rooms of this instance.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

pub(crate) struct Inner {
    store: Arc<dyn Store>,
    watchers: Arc<dyn Watchers>,
    config: HubConfig,
    metrics: HubMetrics,
    rooms: Mutex<Rooms>,
}

#[derive(Default)]
struct Rooms {
    by_name: HashMap<RoomName, Arc<RoomSlot>>,
    next_id: u64,
}

impl Hub {
    pub fn new(
        store: Arc<dyn Store>,
        watchers: Arc<dyn Watchers>,
        config: HubConfig,
        metrics: HubMetrics,
    ) -> Self {
        Self(Arc::new(Inner { store, watchers, config, metrics, rooms: Mutex::default() }))
    }

    /// Watches a room. Returns once the room's list is known; from then on no change of it is missed.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn subscribe(&self, room: &RoomName, view: View) -> Result<Subscription, StoreError> {
        let (subscription, is_new) = self.enter(room, view);
        if is_new {
            let room = HotRoom::run(Arc::clone(&self.0), Arc::clone(subscription.slot()));
            tokio::spawn(abort_on_panic::task("the task of a hot room", room));
        }
        subscription.slot().ready().await?;
        Ok(subscription)
    }

    /// Reads a room: from the list that streams show, if it is hot, otherwise from the store.
    ///
    /// # Errors
    /// The room is not hot, and the store could not be read.
    pub async fn read(&self, room: &RoomName) -> Result<Reading, StoreError> {
        let slot = self.0.rooms().by_name.get(room).cloned();
        if let Some((slot, edition)) =
            slot.and_then(|slot| slot.newest().map(|newest| (slot, newest)))
        {
            let confirmed_until = slot.confirmed_until();
            return Ok(Reading { edition: Some(edition), is_hot: true, confirmed_until });
        }
        let stored = self.0.store.read(room).await?;
        Ok(Reading {
            confirmed_until: stored
                .as_ref()
                .map_or(StoreTime::default(), |room| room.confirmed_until()),
            edition: stored.map(|stored| Arc::new(Edition::of_room(room, &stored))),
            is_hot: false,
        })
    }

    /// Counts the reader in before anything else happens, so that the room cannot end under it.
    fn enter(&self, room: &RoomName, view: View) -> (Subscription, bool) {
        let mut rooms = self.0.rooms();
        if let Some(slot) = rooms.by_name.get(room) {
            return (slot.subscribe(view), false);
        }
        let slot = Arc::new(RoomSlot::new(rooms.next_id, room.clone()));
        rooms.next_id += 1;
        rooms.by_name.insert(room.clone(), Arc::clone(&slot));
        self.0.metrics.rooms_hot.set(hot(&rooms));
        (slot.subscribe(view), true)
    }
}

impl Inner {
    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().expect("nothing panics while the rooms are locked")
    }

    /// Ends a room unless somebody entered meanwhile. Entering takes the same lock, so nobody is left behind.
    fn leave_if_idle(&self, slot: &RoomSlot) -> bool {
        let mut rooms = self.rooms();
        if slot.has_readers() {
            return false;
        }
        self.remove(&mut rooms, slot);
        true
    }

    /// Ends a room that could not be opened; whoever waits for it is told, and the next one tries anew.
    fn give_up(&self, slot: &RoomSlot, error: StoreError) {
        self.remove(&mut self.rooms(), slot);
        slot.fail(error);
    }

    fn remove(&self, rooms: &mut Rooms, slot: &RoomSlot) {
        rooms.by_name.remove(slot.name());
        self.metrics.rooms_hot.set(hot(rooms));
    }
}

fn hot(rooms: &Rooms) -> i64 {
    i64::try_from(rooms.by_name.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
pub fn test_slot() -> Arc<RoomSlot> {
    Arc::new(RoomSlot::new(0, RoomName::parse("test").expect("a room's name")))
}
