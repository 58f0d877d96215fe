//! Which watched rooms have to be read in LiveKit's Redis, and whose people differ from what it keeps.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard},
    time::Instant,
};

use tokio::sync::Notify;

use crate::{
    livekit::redis::{ByteBudget, ByteRate},
    presence::{Differing, RoomName},
};

use super::{
    doubt::{Doubt, NextLook},
    pace::{Reading, ReadingPace},
};

/// The watched rooms, as far as LiveKit's Redis is concerned. Does nothing where none is configured.
pub struct Readings {
    state: Option<Mutex<State>>,
    /// Wakes the task: there may be something to read.
    pub wake: Notify,
    /// Wakes the task that reads the metadata of rooms.
    rooms_wake: Notify,
}

struct State {
    pace: ReadingPace,
    doubts: HashMap<RoomName, Doubt>,
}

impl Readings {
    /// `rate`: what all readings together may bring; none where there is no Redis of LiveKit.
    pub fn new(rate: Option<ByteRate>) -> Self {
        let state = |rate| {
            let pace = ReadingPace::new(rate);
            Mutex::new(State { pace, doubts: HashMap::new() })
        };
        Self { state: rate.map(state), wake: Notify::new(), rooms_wake: Notify::new() }
    }

    pub fn watch(&self, room: &RoomName) {
        self.wake_after(|state| state.pace.watch(room, Instant::now()));
        self.some_room_changed();
    }

    pub fn unwatch(&self, room: &RoomName) {
        if let Some(mut state) = self.lock() {
            state.pace.unwatch(room);
            state.doubts.remove(room);
        }
    }

    /// What LiveKit's Redis keeps of rooms themselves may be different.
    pub fn some_room_changed(&self) {
        self.rooms_wake.notify_one();
    }

    /// Waits until rooms themselves may be different.
    pub(super) async fn rooms_changed(&self) {
        self.rooms_wake.notified().await;
    }

    pub(super) fn watched(&self) -> Vec<RoomName> {
        self.lock().map(|state| state.pace.watched()).unwrap_or_default()
    }

    pub fn changed(&self, room: &RoomName) {
        self.wake_after(|state| state.pace.changed(room, Instant::now()));
    }

    pub fn everything_changed(&self) {
        self.wake_after(|state| state.pace.everything_changed(Instant::now()));
    }

    /// Has the room read again soon. LiveKit's Redis told of no change.
    pub fn read_again(&self, room: &RoomName) {
        self.wake_after(|state| state.pace.read_again(room, Instant::now()));
    }

    /// Begins the next reading.
    ///
    /// # Errors
    /// When to ask again; none if nothing is unread.
    pub(super) fn next(&self, budget: &mut ByteBudget) -> Result<Reading, Option<Instant>> {
        self.lock().map_or(Err(None), |mut state| state.pace.next(budget, Instant::now()))
    }

    /// A reading has ended, and brought this many bytes.
    pub(super) fn read(&self, room: &RoomName, bytes: usize) {
        self.wake_after(|state| state.pace.read(room, bytes));
    }

    /// A reading has not begun, because the room is this large.
    pub(super) fn put_off(&self, room: &RoomName, bytes: usize) {
        self.wake_after(|state| state.pace.put_off(room, bytes, Instant::now()));
    }

    /// A reading has failed, and brought this many bytes.
    pub(super) fn failed(&self, room: &RoomName, bytes: usize) {
        self.wake_after(|state| state.pace.failed(room, bytes, Instant::now()));
    }

    /// Notes who differs in a reading, and has the room read again where that may tell more. Returns whether a webhook was lost,
    /// so that a comparison has to tell.
    pub(super) fn differ(&self, room: &RoomName, differing: &BTreeSet<Differing>) -> bool {
        let Some(mut state) = self.lock() else { return false };
        let State { pace, doubts } = &mut *state;
        if differing.is_empty() {
            doubts.remove(room);
            return false;
        }
        if !pace.is_watched(room) {
            return false;
        }
        let doubt = doubts.entry(room.clone()).or_default();
        let NextLook { compare, at } = doubt.differ(differing, Instant::now());
        if let Some(at) = at {
            pace.read_again(room, at);
        }
        compare
    }

    fn wake_after(&self, change: impl FnOnce(&mut State)) {
        if let Some(mut state) = self.lock() {
            change(&mut state);
            drop(state);
            self.wake.notify_one();
        }
    }

    fn lock(&self) -> Option<MutexGuard<'_, State>> {
        let state = self.state.as_ref()?;
        Some(state.lock().expect("never held in a panic"))
    }
}
