//! What the task of LiveKit's Redis and those who read share.

use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use redis::{PushInfo, PushKind, Value};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use crate::redis_client::OnPush;

use super::{
    budget::{ByteBudget, ByteRate},
    changes::{Changes, KeptChange},
    connection::Connection,
    error::LiveKitRedisError,
    keys::Key,
    metrics::LiveKitRedisMetrics,
    sizes::Sizes,
    under_way::UnderWay,
};

pub(super) struct Shared {
    state: Mutex<State>,
    budget: Mutex<ByteBudget>,
    sizes: Mutex<Sizes>,
    under_way: Mutex<UnderWay>,
    /// What is large is read one after the other, so that no more than a piece of it comes before what is asked after it.
    turn: Semaphore,
    /// Answers to readings so far.
    answers: AtomicU64,
    pub changes: Arc<Changes>,
    /// Servers of LiveKit that go on writing, or 0 while that is not known.
    nodes: AtomicUsize,
    /// Notified when a server of LiveKit may have crashed.
    pub node_lost: Notify,
    /// Whether those who read have found that it is another LiveKit's.
    is_left_alone: AtomicBool,
    pub metrics: LiveKitRedisMetrics,
}

/// Whether LiveKit's Redis can be read.
enum State {
    Up(Access),
    /// Why not.
    Down(String),
}

/// The connection on which to read, and how.
#[derive(Clone)]
pub(super) struct Access {
    pub connection: Connection,
    /// Whether sizes may be asked, and pieces be read. Only then is nothing fetched that is too large.
    pub is_sparing: bool,
}

impl Shared {
    pub fn new(rate: ByteRate, metrics: LiveKitRedisMetrics) -> Self {
        let state = Mutex::new(State::Down("it is not connected yet".to_owned()));
        Self {
            state,
            budget: Mutex::new(ByteBudget::new(rate, Instant::now())),
            sizes: Mutex::default(),
            under_way: Mutex::default(),
            turn: Semaphore::new(1),
            answers: AtomicU64::new(0),
            changes: Arc::default(),
            nodes: AtomicUsize::new(0),
            node_lost: Notify::new(),
            is_left_alone: AtomicBool::new(false),
            metrics,
        }
    }

    pub fn budget(&self) -> MutexGuard<'_, ByteBudget> {
        self.budget.lock().expect("nothing panics while it is locked")
    }

    pub fn sizes(&self) -> MutexGuard<'_, Sizes> {
        self.sizes.lock().expect("nothing panics while it is locked")
    }

    pub fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().expect("nothing panics while it is locked")
    }

    /// Waits until nothing else that is large is read.
    pub async fn turn(&self) -> SemaphorePermit<'_> {
        self.turn.acquire().await.expect("it is never closed")
    }

    /// An answer has come.
    pub fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    pub fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    pub fn is_up(&self) -> bool {
        matches!(*self.lock(), State::Up(_))
    }

    /// How to read.
    pub fn access(&self) -> Result<Access, LiveKitRedisError> {
        match &*self.lock() {
            State::Up(access) => Ok(access.clone()),
            State::Down(reason) => Err(LiveKitRedisError::Down(reason.clone())),
        }
    }

    /// From now on changes are told, so everything must be read.
    pub fn set_up(&self, access: Access) {
        self.under_way().reconnected();
        *self.lock() = State::Up(access);
        self.show_up();
        self.tell(KeptChange::Everything);
    }

    pub fn set_down(&self, reason: String) {
        *self.lock() = State::Down(reason);
        self.show_up();
    }

    pub fn leave_alone(&self, is_left_alone: bool) {
        if self.is_left_alone.swap(is_left_alone, Ordering::Relaxed) != is_left_alone {
            self.show_up();
        }
    }

    fn show_up(&self) {
        let state = self.lock();
        let is_left_alone = self.is_left_alone.load(Ordering::Relaxed);
        self.metrics.set_up(matches!(*state, State::Up(_)) && !is_left_alone);
    }

    pub fn sees_nodes(&self) -> bool {
        self.nodes.load(Ordering::Relaxed) > 0
    }

    /// Notes how many servers go on writing, and how many may have crashed.
    pub fn note_nodes(&self, alive: usize, lost: usize) {
        self.nodes.store(alive, Ordering::Relaxed);
        self.metrics.nodes(alive, lost);
        if lost > 0 {
            self.node_lost.notify_one();
        }
    }

    fn tell(&self, change: KeptChange) {
        self.metrics.invalidated(&change);
        self.changes.tell(change);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it is locked")
    }
}

/// Takes what is pushed on one connection.
pub(super) struct Inbox {
    shared: Arc<Shared>,
    /// Notified when the connection is gone, or one to a node of a Cluster.
    pub lost: Notify,
    /// Notified when LiveKit's version may have changed.
    pub version: Notify,
}

impl Inbox {
    pub fn new(shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self { shared, lost: Notify::new(), version: Notify::new() })
    }

    pub fn on_push(self: &Arc<Self>) -> OnPush {
        let inbox = Arc::downgrade(self);
        Arc::new(move |push| {
            if let Some(inbox) = inbox.upgrade() {
                inbox.take(&push);
            }
        })
    }

    /// Runs in the connection's own task, so it must not wait.
    fn take(&self, push: &PushInfo) {
        match push.kind {
            PushKind::Disconnection => self.lost.notify_one(),
            PushKind::Invalidate => self.invalidated(&push.data),
            _ => {}
        }
    }

    /// Redis names the keys, or none if it deleted all of them.
    fn invalidated(&self, data: &[Value]) {
        let Some(Value::Array(keys)) = data.first() else {
            self.shared.tell(KeptChange::Everything);
            self.version.notify_one();
            return;
        };
        for key in keys {
            let Value::BulkString(key) = key else { continue };
            match Key::parse(key) {
                Some(Key::Participants(room)) => self.shared.tell(KeptChange::People(room)),
                Some(Key::Rooms) => self.shared.tell(KeptChange::Rooms),
                Some(Key::Version) => self.version.notify_one(),
                None => {}
            }
        }
    }
}
