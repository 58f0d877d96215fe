//! Some of the rooms, behind one lock.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use crate::{
    presence::{Change, ROOM_MEMORY, Room, RoomName, StoreTime},
    store::feed::FeedSender,
};

/// Some of the rooms, and those who follow them.
#[derive(Default)]
pub(super) struct Shard {
    pub rooms: HashMap<RoomName, StoredRoom>,
    /// Each held room once, ordered by the time when it is next checked. A write does not move the room: when the time comes, a
    /// room that was written since is put back with a later one.
    due: VecDeque<(StoreTime, RoomName)>,
    pub followers: HashMap<RoomName, Vec<(u64, FeedSender)>>,
    pub next_follower: u64,
}

pub(super) struct StoredRoom {
    /// Shared with the callers of `read`. A write copies it only while one of them still holds it.
    pub room: Arc<Room>,
    pub touched_at: StoreTime,
}

impl Shard {
    pub fn room_mut(&mut self, name: &RoomName, now: StoreTime) -> &mut Room {
        self.forget(now);
        let held = self.rooms.entry(name.clone()).or_insert_with(|| {
            self.due.push_back((now + ROOM_MEMORY, name.clone()));
            StoredRoom { room: Arc::default(), touched_at: now }
        });
        held.touched_at = now;
        Arc::make_mut(&mut held.room)
    }

    /// Forgets rooms that were not written for a day, except for their bans.
    pub fn forget(&mut self, now: StoreTime) {
        while let Some((_, name)) = self.due.pop_front_if(|(due, _)| *due < now) {
            let Some(held) = self.rooms.get(&name) else { continue };
            if !held.is_forgotten_at(now) {
                self.due.push_back((held.touched_at + ROOM_MEMORY, name));
            } else if let Some(bans) = held.room.bans_alone(now) {
                let bans = StoredRoom { room: Arc::new(bans), touched_at: now };
                self.rooms.insert(name.clone(), bans);
                self.due.push_back((now + ROOM_MEMORY, name));
            } else {
                self.rooms.remove(&name);
            }
        }
    }

    pub fn publish(&self, room: &RoomName, change: &Change) {
        if let Some(followers) = self.followers.get(room) {
            let change = Arc::new(change.clone());
            for (_, follower) in followers {
                follower.send(&change);
            }
        }
    }
}

impl StoredRoom {
    pub fn is_forgotten_at(&self, now: StoreTime) -> bool {
        self.touched_at + ROOM_MEMORY < now
    }
}

/// Ends a following when its feed is dropped.
pub(super) struct Unfollow {
    pub shards: Arc<[Mutex<Shard>]>,
    pub index: usize,
    pub room: RoomName,
    pub id: u64,
}

impl Drop for Unfollow {
    fn drop(&mut self) {
        let mut shard = lock(&self.shards[self.index]);
        if let Some(followers) = shard.followers.get_mut(&self.room) {
            followers.retain(|(id, _)| *id != self.id);
            if followers.is_empty() {
                shard.followers.remove(&self.room);
            }
        }
    }
}

pub(super) fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().expect("the rules do not panic")
}
