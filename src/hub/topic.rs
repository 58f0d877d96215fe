//! The cell that holds a hot room's newest snapshot, for every worker that delivers it.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::sync::{Notify, watch};

use crate::{
    presence::{Completeness, RoomName, StoreTime, Version},
    store::StoreError,
};

use super::snapshot::{Snapshot, View};

/// Gets a call when a topic holds a new snapshot. Delivery implements it.
pub trait Watchers: Send + Sync + 'static {
    fn room_changed(&self, topic: &Arc<Topic>);
}

/// A hot room as workers see it.
///
/// Two steps in the right order on each side make sure that no change is lost between hub and delivery. The hub puts a snapshot
/// in, and then reads which workers watch. A worker marks itself as watching, and then takes the snapshot out. Both take the
/// snapshot's lock, so the side that comes second sees what the first one did.
#[derive(Debug)]
pub struct Topic {
    id: u64,
    name: RoomName,
    newest: Mutex<Option<Arc<Snapshot>>>,
    /// The newest snapshot is in, and the workers that watch are about to be told.
    is_announcing: AtomicBool,
    /// The time until which the newest list is everybody.
    completeness: AtomicU64,
    subscribers_of_lists: AtomicUsize,
    subscribers_of_deltas: AtomicUsize,
    state: watch::Sender<State>,
    idle: Notify,
    /// Notified when a subscriber says that it was sent a later version elsewhere.
    is_behind: Notify,
    /// How many looks at the store were begun for such subscribers, and the last one that ended.
    looks_begun: AtomicU64,
    last_look: watch::Sender<Look>,
    /// A subscriber keeps what it was sent elsewhere until it is known whether the store has lost that.
    has_subscribers_ahead: AtomicBool,
    /// Notified when a snapshot was put in.
    published: Notify,
    /// A bit for each worker: whether it watches this room, and whether it was told of a snapshot that it has not looked at yet.
    watching: AtomicU64,
    told: AtomicU64,
}

/// What a look at the store's position found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Look {
    number: u64,
    version: Version,
}

#[derive(Clone, Debug)]
enum State {
    Opening,
    Open,
    Failed(StoreError),
}

impl Topic {
    pub(super) fn new(id: u64, name: RoomName) -> Self {
        Self {
            id,
            name,
            newest: Mutex::default(),
            is_announcing: AtomicBool::default(),
            completeness: AtomicU64::default(),
            subscribers_of_lists: AtomicUsize::default(),
            subscribers_of_deltas: AtomicUsize::default(),
            state: watch::Sender::new(State::Opening),
            idle: Notify::new(),
            is_behind: Notify::new(),
            looks_begun: AtomicU64::default(),
            last_look: watch::Sender::default(),
            has_subscribers_ahead: AtomicBool::default(),
            published: Notify::new(),
            watching: AtomicU64::default(),
            told: AtomicU64::default(),
        }
    }

    /// Unlike the name, it is never reused: a room that becomes hot again gets another one.
    pub fn id(&self) -> u64 {
        self.id
    }

    pub fn name(&self) -> &RoomName {
        &self.name
    }

    /// The newest snapshot. None until the room was read for the first time.
    pub fn newest(&self) -> Option<Arc<Snapshot>> {
        self.newest.lock().expect("nothing panics while it is locked").clone()
    }

    /// Whether the newest list is everybody, and until when.
    pub fn completeness(&self) -> Completeness {
        StoreTime::from_micros(self.completeness.load(Ordering::Relaxed)).into()
    }

    /// A worker that already watches this room, while the room has fewer than `max_subscribers` list streams.
    pub fn home(&self, max_subscribers: usize) -> Option<u32> {
        let watching = self.watching.load(Ordering::Relaxed);
        let is_small = self.count(View::Lists) < max_subscribers;
        (is_small && watching != 0).then(|| watching.trailing_zeros())
    }

    /// A worker has its first connection that watches this room.
    pub fn watch(&self, worker: u32) {
        self.watching.fetch_or(1 << worker, Ordering::Relaxed);
    }

    /// The worker's last connection that watched this room is gone.
    pub fn unwatch(&self, worker: u32) {
        self.watching.fetch_and(!(1 << worker), Ordering::Relaxed);
    }

    /// The workers that have to be told of the newest snapshot. A worker that was told is not told again until it has heard.
    pub fn take_untold(&self) -> u64 {
        let watching = self.watching.load(Ordering::Relaxed);
        watching & !self.told.fetch_or(watching, Ordering::AcqRel)
    }

    fn is_told(&self, worker: u32) -> bool {
        self.told.load(Ordering::Acquire) & (1 << worker) != 0
    }

    /// A worker is about to look at the topic. It must be told of every later snapshot.
    pub fn heard(&self, worker: u32) {
        self.told.fetch_and(!(1 << worker), Ordering::AcqRel);
    }

    /// Whether a worker may be about to be told of the newest snapshot, or was told and has not looked yet.
    pub fn is_on_its_way(&self, worker: u32) -> bool {
        self.is_announcing.load(Ordering::Acquire) || self.is_told(worker)
    }

    /// Every worker that watches has been told.
    pub(super) fn announced(&self) {
        self.is_announcing.store(false, Ordering::Release);
    }

    pub(super) fn publish(&self, snapshot: Arc<Snapshot>, completeness: Completeness) {
        self.is_announcing.store(true, Ordering::Release);
        self.known_to_be(completeness);
        *self.newest.lock().expect("nothing panics while it is locked") = Some(snapshot);
        self.published.notify_waiters();
        self.state.send_if_modified(|state| {
            let was_opening = matches!(state, State::Opening);
            *state = State::Open;
            was_opening
        });
    }

    /// Waits until the newest snapshot is at least as new as what a subscriber was sent elsewhere, or until a look at the store
    /// that began after this call has found nothing as new. Returns whether the snapshot is as new. One look serves all waiting
    /// subscribers.
    pub(super) async fn caught_up(&self, sent: Version) -> bool {
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

    /// Resolves when a subscriber says that it was sent a later version elsewhere.
    pub(super) async fn behind(&self) {
        self.is_behind.notified().await;
    }

    /// The store is about to be looked at for such subscribers. Returns the number of the look.
    pub(super) fn begin_look(&self) -> u64 {
        self.looks_begun.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The look has ended, and found the room at this version.
    pub(super) fn end_look(&self, number: u64, version: Version) {
        self.last_look.send_replace(Look { number, version });
    }

    /// A subscriber keeps what it was sent elsewhere until the room is settled.
    pub(super) fn keep_subscribers_ahead(&self) {
        self.has_subscribers_ahead.store(true, Ordering::Release);
    }

    /// Whether there may be such subscribers. Forgets them.
    pub(super) fn take_subscribers_ahead(&self) -> bool {
        self.has_subscribers_ahead.swap(false, Ordering::AcqRel)
    }

    /// Notes what is known of the newest list.
    pub(super) fn known_to_be(&self, completeness: Completeness) {
        let until = StoreTime::from(completeness);
        self.completeness.store(until.as_micros(), Ordering::Relaxed);
    }

    pub(super) fn fail(&self, error: StoreError) {
        self.state.send_replace(State::Failed(error));
    }

    /// Waits until the room's list is known.
    pub(super) async fn ready(&self) -> Result<(), StoreError> {
        let mut state = self.state.subscribe();
        let state = state.wait_for(|state| !matches!(state, State::Opening)).await;
        match &*state.expect("the topic, and the sender in it, is held by the caller") {
            State::Failed(error) => Err(error.clone()),
            State::Open | State::Opening => Ok(()),
        }
    }

    pub(super) fn subscribe(self: &Arc<Self>, view: View) -> Subscription {
        self.subscribers(view).fetch_add(1, Ordering::AcqRel);
        Subscription { topic: Arc::clone(self), view }
    }

    pub(super) fn has_subscribers(&self) -> bool {
        self.count(View::Lists) + self.count(View::Deltas) > 0
    }

    pub(super) fn count(&self, view: View) -> usize {
        self.subscribers(view).load(Ordering::Acquire)
    }

    /// Resolves when the last subscriber has left. May resolve again although nobody came in between.
    pub(super) async fn idle(&self) {
        self.idle.notified().await;
    }

    fn subscribers(&self, view: View) -> &AtomicUsize {
        match view {
            View::Lists => &self.subscribers_of_lists,
            View::Deltas => &self.subscribers_of_deltas,
        }
    }
}

/// One stream's interest in one room. The room stays hot at least until this is dropped.
#[derive(Debug)]
pub struct Subscription {
    topic: Arc<Topic>,
    view: View,
}

impl Subscription {
    pub fn topic(&self) -> &Arc<Topic> {
        &self.topic
    }

    pub fn view(&self) -> View {
        self.view
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let was_last_of_its_kind =
            self.topic.subscribers(self.view).fetch_sub(1, Ordering::AcqRel) == 1;
        if was_last_of_its_kind && !self.topic.has_subscribers() {
            self.topic.idle.notify_one();
        }
    }
}

#[cfg(test)]
impl Topic {
    /// A topic that no task serves.
    pub fn for_test() -> Arc<Self> {
        Arc::new(Self::new(0, RoomName::parse("test").expect("a room's name")))
    }
}
