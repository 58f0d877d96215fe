//! Which rooms' sessions are being probed: each room by one task at a time, and a bounded number of rooms at once.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::presence::RoomName;

/// Rooms whose sessions are probed at the same time.
const MAX_ROOMS: usize = 16;

/// The slots for rooms whose sessions are probed.
pub struct ProbeSlots {
    free: Arc<Semaphore>,
    rooms: Arc<Rooms>,
}

#[derive(Default)]
struct Rooms(Mutex<HashSet<RoomName>>);

/// A room whose sessions are being probed, until this is dropped.
pub struct ProbeSlot {
    rooms: Arc<Rooms>,
    room: RoomName,
    _permit: OwnedSemaphorePermit,
}

impl Default for ProbeSlots {
    fn default() -> Self {
        Self { free: Arc::new(Semaphore::new(MAX_ROOMS)), rooms: Arc::default() }
    }
}

impl ProbeSlots {
    /// Waits until the sessions of a room may be probed. None if another task probes them already.
    pub async fn take(&self, room: &RoomName) -> Option<ProbeSlot> {
        if !self.rooms.lock().insert(room.clone()) {
            return None;
        }
        let permit = Arc::clone(&self.free).acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        Some(ProbeSlot { rooms: Arc::clone(&self.rooms), room: room.clone(), _permit: permit })
    }
}

impl Rooms {
    fn lock(&self) -> MutexGuard<'_, HashSet<RoomName>> {
        self.0.lock().expect("never held in a panic")
    }
}

impl Drop for ProbeSlot {
    fn drop(&mut self) {
        self.rooms.lock().remove(&self.room);
    }
}
