//! The topics of this instance's hot rooms, by the rooms' names.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use crate::{presence::RoomName, store::StoreError};

use super::{
    snapshot::View,
    topic::{Subscription, Topic},
};

/// Entering a room and closing it take the same lock, so that no room closes under a new subscriber.
#[derive(Default)]
pub(super) struct HotRooms(Mutex<Rooms>);

#[derive(Default)]
struct Rooms {
    by_name: HashMap<RoomName, Arc<Topic>>,
    next_id: u64,
}

impl HotRooms {
    pub fn get(&self, room: &RoomName) -> Option<Arc<Topic>> {
        self.lock().by_name.get(room).cloned()
    }

    /// Subscribes to a room, and tells whether it is a new one, which needs a task.
    pub fn enter(&self, room: &RoomName, view: View) -> (Subscription, bool) {
        let mut rooms = self.lock();
        if let Some(topic) = rooms.by_name.get(room) {
            return (topic.subscribe(view), false);
        }
        let topic = Arc::new(Topic::new(rooms.next_id, room.clone()));
        rooms.next_id += 1;
        rooms.by_name.insert(room.clone(), Arc::clone(&topic));
        (topic.subscribe(view), true)
    }

    /// Removes a room unless somebody has entered it meanwhile. Tells whether it is gone.
    pub fn leave_if_idle(&self, topic: &Topic) -> bool {
        let mut rooms = self.lock();
        if topic.has_subscribers() {
            return false;
        }
        rooms.by_name.remove(topic.name());
        true
    }

    /// Removes a room that could not be opened. Waiting subscribers get the error, and the next subscriber tries again.
    pub fn give_up(&self, topic: &Topic, error: StoreError) {
        self.lock().by_name.remove(topic.name());
        topic.fail(error);
    }

    /// The rooms that meet a condition, and those that do not.
    pub fn count(&self, meets: impl Fn(&Topic) -> bool) -> (usize, usize) {
        let rooms = self.lock();
        let count = rooms.by_name.values().filter(|topic| meets(topic)).count();
        (count, rooms.by_name.len() - count)
    }

    fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.0.lock().expect("nothing panics while the rooms are locked")
    }
}
