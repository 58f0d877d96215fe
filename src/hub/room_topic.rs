//! A hot room as its task, its subscribers and the hub's other callers share it: its topic, and what is known of its list.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::sync::{Notify, watch};

use crate::presence::{Completeness, RoomName, StoreTime, Version};

use super::{content::Content, snapshot::Snapshot, topic::Topic};

/// A hot room.
#[derive(Debug)]
pub(super) struct RoomTopic {
    name: RoomName,
    topic: Arc<Topic>,
    /// The same as in the topic.
    newest: Mutex<Option<Arc<Snapshot>>>,
    /// The time until which the newest list is everybody.
    completeness: AtomicU64,
    /// Notified when a subscriber says that it was sent a later version elsewhere.
    is_behind: Notify,
    /// How many looks at the store were begun for such subscribers, and the last one that ended.
    looks_begun: AtomicU64,
    last_look: watch::Sender<Look>,
    /// A subscriber keeps what it was sent elsewhere until it is known whether the store has lost that.
    has_subscribers_ahead: AtomicBool,
    /// Notified when a snapshot was put in.
    published: Notify,
}

/// What a look at the store's position found.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    number: u64,
    version: Version,
}

impl RoomTopic {
    pub fn new(name: RoomName) -> Self {
        Self {
            name,
            topic: Arc::new(Topic::new()),
            newest: Mutex::default(),
            completeness: AtomicU64::default(),
            is_behind: Notify::new(),
            looks_begun: AtomicU64::default(),
            last_look: watch::Sender::default(),
            has_subscribers_ahead: AtomicBool::default(),
            published: Notify::new(),
        }
    }

    pub fn name(&self) -> &RoomName {
        &self.name
    }

    pub fn topic(&self) -> &Arc<Topic> {
        &self.topic
    }

    /// The newest snapshot. None until the room was read for the first time.
    pub fn newest(&self) -> Option<Arc<Snapshot>> {
        self.newest.lock().expect("nothing panics while it is locked").clone()
    }

    /// Whether the newest list is everybody, and until when.
    pub fn completeness(&self) -> Completeness {
        StoreTime::from_micros(self.completeness.load(Ordering::Relaxed)).into()
    }

    /// Puts a snapshot in. The caller then announces it, or marks it as announced while no worker watches.
    pub fn publish(&self, snapshot: Arc<Snapshot>, completeness: Completeness) {
        self.known_to_be(completeness);
        *self.newest.lock().expect("nothing panics while it is locked") =
            Some(Arc::clone(&snapshot));
        self.topic.put(Content::Room(snapshot));
        self.published.notify_waiters();
    }

    /// Waits until the newest snapshot is at least as new as what a subscriber was sent elsewhere, or until a look at the store
    /// that began after this call has found nothing as new. Returns whether the snapshot is as new. One look serves all waiting
    /// subscribers.
    pub async fn caught_up(&self, sent: Version) -> bool {
        let awaited = self.looks_begun.load(Ordering::Acquire) + 1;
        let mut last_look = self.last_look.subscribe();
        let is_new_enough = || self.newest().is_some_and(|newest| newest.version() >= sent);
        loop {
            let mut published = pin!(self.published.notified());
            published.as_mut().enable();
            let look = *last_look.borrow_and_update();
            if is_new_enough() {
                return true;
            }
            if look.number >= awaited && look.version < sent {
                return false;
            }
            if look.number < awaited {
                self.is_behind.notify_one();
            }
            tokio::select! {
                () = published => {}
                _ = last_look.changed() => {}
            }
        }
    }

    /// Waits until the newest snapshot has another version than this.
    pub async fn other_than(&self, held: Version) -> Arc<Snapshot> {
        loop {
            let mut published = pin!(self.published.notified());
            published.as_mut().enable();
            if let Some(newest) = self.newest().filter(|newest| newest.version() != held) {
                return newest;
            }
            published.await;
        }
    }

    /// Resolves when a subscriber says that it was sent a later version elsewhere.
    pub async fn behind(&self) {
        self.is_behind.notified().await;
    }

    /// The store is about to be looked at for such subscribers. Returns the number of the look.
    pub fn begin_look(&self) -> u64 {
        self.looks_begun.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The look has ended, and found the room at this version.
    pub fn end_look(&self, number: u64, version: Version) {
        self.last_look.send_replace(Look { number, version });
    }

    /// A subscriber keeps what it was sent elsewhere until the room is settled.
    pub fn keep_subscribers_ahead(&self) {
        self.has_subscribers_ahead.store(true, Ordering::Release);
    }

    /// Whether there may be such subscribers. Forgets them.
    pub fn take_subscribers_ahead(&self) -> bool {
        self.has_subscribers_ahead.swap(false, Ordering::AcqRel)
    }

    /// Notes what is known of the newest list.
    pub fn known_to_be(&self, completeness: Completeness) {
        let until = StoreTime::from(completeness);
        self.completeness.store(until.as_micros(), Ordering::Relaxed);
    }
}
