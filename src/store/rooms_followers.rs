//! The followers of all rooms, as a store holds them.

use std::sync::{
    Arc, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak,
    atomic::{AtomicU64, Ordering},
};

use crate::presence::RoomName;

use super::rooms_feed::{RoomsFeed, RoomsFeedSender, rooms_feed};

/// Nobody at all most of the time.
#[derive(Debug, Default)]
pub(super) struct RoomsFollowers {
    followers: RwLock<Vec<(u64, RoomsFeedSender)>>,
    next: AtomicU64,
}

impl RoomsFollowers {
    pub fn add(self: &Arc<Self>) -> RoomsFeed {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, feed) = rooms_feed(Unfollow { followers: Arc::downgrade(self), id });
        self.write().push((id, sender));
        feed
    }

    pub fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    pub fn touch(&self, room: &RoomName) {
        self.read().iter().for_each(|(_, follower)| follower.touch(room));
    }

    pub fn gap(&self) {
        self.read().iter().for_each(|(_, follower)| follower.gap());
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<(u64, RoomsFeedSender)>> {
        self.followers.read().expect("nothing panics while it is locked")
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<(u64, RoomsFeedSender)>> {
        self.followers.write().expect("nothing panics while it is locked")
    }
}

/// Takes a follower out when its feed is dropped.
struct Unfollow {
    followers: Weak<RoomsFollowers>,
    id: u64,
}

impl Drop for Unfollow {
    fn drop(&mut self) {
        if let Some(followers) = self.followers.upgrade() {
            followers.write().retain(|(id, _)| *id != self.id);
        }
    }
}
