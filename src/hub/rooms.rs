//! This instance's hot rooms, by name.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use crate::{presence::RoomName, store::StoreError};

use super::{room_topic::RoomTopic, snapshot::View, topic::Subscription};

/// Entering a room and closing it take the same lock, so that no room closes under a new subscriber.
#[derive(Default)]
pub(super) struct HotRooms(Mutex<HashMap<RoomName, Arc<RoomTopic>>>);

impl HotRooms {
    pub fn get(&self, room: &RoomName) -> Option<Arc<RoomTopic>> {
        self.lock().get(room).cloned()
    }

    /// Subscribes to a room. Also returns the room if it is a new one, which needs a task.
    pub fn enter(&self, name: &RoomName, view: View) -> (Subscription, Option<Arc<RoomTopic>>) {
        let mut rooms = self.lock();
        if let Some(room) = rooms.get(name) {
            return (room.topic().subscribe(view), None);
        }
        let room = Arc::new(RoomTopic::new(name.clone()));
        rooms.insert(name.clone(), Arc::clone(&room));
        (room.topic().subscribe(view), Some(room))
    }

    /// Removes a room unless somebody has entered it meanwhile. Tells whether it is gone.
    pub fn leave_if_idle(&self, room: &RoomTopic) -> bool {
        let mut rooms = self.lock();
        if room.topic().has_subscribers() {
            return false;
        }
        rooms.remove(room.name());
        true
    }

    /// Removes a room that could not be opened. Waiting subscribers get the error, and the next subscriber tries again.
    pub fn give_up(&self, room: &RoomTopic, error: StoreError) {
        self.lock().remove(room.name());
        room.topic().fail(error);
    }

    /// The rooms that meet a condition, and those that do not.
    pub fn count(&self, meets: impl Fn(&RoomTopic) -> bool) -> (usize, usize) {
        let rooms = self.lock();
        let count = rooms.values().filter(|room| meets(room)).count();
        (count, rooms.len() - count)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RoomName, Arc<RoomTopic>>> {
        self.0.lock().expect("nothing panics while the rooms are locked")
    }
}
