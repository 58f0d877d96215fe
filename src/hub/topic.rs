//! The cell that holds the newest content of what subscribers watch, for every worker that delivers it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use tokio::sync::{Notify, watch};

use crate::store::StoreError;

use super::{content::Content, snapshot::View};

/// Gets a call when a topic holds something new. Delivery implements it.
pub trait Watchers: Send + Sync + 'static {
    fn topic_changed(&self, topic: &Arc<Topic>);
}

/// What subscribers watch, such as a hot room, as workers see it.
///
/// Two steps in the right order on each side make sure that no change is lost between hub and delivery. The hub puts its content
/// in, and then reads which workers watch. A worker marks itself as watching, and then takes the content out. Both take the
/// content's lock, so the side that comes second sees what the first one did.
#[derive(Debug)]
pub struct Topic {
    id: u64,
    newest: Mutex<Option<Content>>,
    /// The newest content is in, and the workers that watch are about to be told.
    is_announcing: AtomicBool,
    subscribers: [AtomicUsize; View::ALL.len()],
    state: watch::Sender<State>,
    idle: Notify,
    /// A bit for each worker: whether it watches this topic, and whether it was told of content that it has not looked at yet.
    watching: AtomicU64,
    told: AtomicU64,
}

#[derive(Clone, Debug)]
enum State {
    Opening,
    Open,
    Failed(StoreError),
}

/// The id of the next topic of this process.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl Topic {
    pub(super) fn new() -> Self {
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            newest: Mutex::default(),
            is_announcing: AtomicBool::default(),
            subscribers: Default::default(),
            state: watch::Sender::new(State::Opening),
            idle: Notify::new(),
            watching: AtomicU64::default(),
            told: AtomicU64::default(),
        }
    }

    /// Never used again in this process: a room that becomes hot again gets a topic with another one.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The newest content. None until the first was put in.
    pub fn newest(&self) -> Option<Content> {
        self.newest.lock().expect("nothing panics while it is locked").clone()
    }

    /// A worker that already watches this topic, while it has fewer than `max_subscribers`.
    pub fn home(&self, max_subscribers: usize) -> Option<u32> {
        let watching = self.watching.load(Ordering::Relaxed);
        (watching != 0 && self.is_small(max_subscribers)).then(|| watching.trailing_zeros())
    }

    /// Whether it has fewer subscribers than this.
    pub fn is_small(&self, max_subscribers: usize) -> bool {
        View::ALL.into_iter().map(|view| self.count(view)).sum::<usize>() < max_subscribers
    }

    /// A worker has its first connection that watches this topic.
    pub fn watch(&self, worker: u32) {
        self.watching.fetch_or(1 << worker, Ordering::Relaxed);
    }

    /// The worker's last connection that watched this topic is gone.
    pub fn unwatch(&self, worker: u32) {
        self.watching.fetch_and(!(1 << worker), Ordering::Relaxed);
    }

    /// The workers that have to be told of the newest content. A worker that was told is not told again until it has heard.
    pub fn take_untold(&self) -> u64 {
        let watching = self.watching.load(Ordering::Relaxed);
        watching & !self.told.fetch_or(watching, Ordering::AcqRel)
    }

    fn is_told(&self, worker: u32) -> bool {
        self.told.load(Ordering::Acquire) & (1 << worker) != 0
    }

    /// A worker is about to look at the topic. It must be told of all later content.
    pub fn heard(&self, worker: u32) {
        self.told.fetch_and(!(1 << worker), Ordering::AcqRel);
    }

    /// Whether a worker may be about to be told of the newest content, or was told and has not looked yet.
    pub fn is_on_its_way(&self, worker: u32) -> bool {
        self.is_announcing.load(Ordering::Acquire) || self.is_told(worker)
    }

    /// Every worker that watches has been told.
    pub(super) fn announced(&self) {
        self.is_announcing.store(false, Ordering::Release);
    }

    /// Puts content in. The caller then announces it, or marks it as announced while no worker watches.
    pub(super) fn put(&self, content: Content) {
        self.is_announcing.store(true, Ordering::Release);
        *self.newest.lock().expect("nothing panics while it is locked") = Some(content);
        self.state.send_if_modified(|state| {
            let was_opening = matches!(state, State::Opening);
            *state = State::Open;
            was_opening
        });
    }

    pub(super) fn fail(&self, error: StoreError) {
        self.state.send_replace(State::Failed(error));
    }

    /// Waits until the first content is in.
    pub(super) async fn ready(&self) -> Result<(), StoreError> {
        let mut state = self.state.subscribe();
        let state = state.wait_for(|state| !matches!(state, State::Opening)).await;
        match &*state.expect("the topic, and the sender in it, is held by the caller") {
            State::Failed(error) => Err(error.clone()),
            State::Open | State::Opening => Ok(()),
        }
    }

    pub(super) fn subscribe(self: &Arc<Self>, view: View) -> Subscription {
        self.subscribers[view as usize].fetch_add(1, Ordering::AcqRel);
        Subscription { topic: Arc::clone(self), view }
    }

    pub(super) fn has_subscribers(&self) -> bool {
        View::ALL.into_iter().any(|view| self.count(view) > 0)
    }

    pub(super) fn count(&self, view: View) -> usize {
        self.subscribers[view as usize].load(Ordering::Acquire)
    }

    /// Resolves when the last subscriber has left. May resolve again although nobody came in between.
    pub(super) async fn idle(&self) {
        self.idle.notified().await;
    }
}

/// One stream's interest in one topic. A room stays hot at least until this is dropped.
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
        let subscribers = &self.topic.subscribers[self.view as usize];
        let was_last_of_its_kind = subscribers.fetch_sub(1, Ordering::AcqRel) == 1;
        if was_last_of_its_kind && !self.topic.has_subscribers() {
            self.topic.idle.notify_one();
        }
    }
}

#[cfg(test)]
impl Topic {
    /// A topic that no task serves.
    pub fn for_test() -> Arc<Self> {
        Arc::new(Self::new())
    }
}
