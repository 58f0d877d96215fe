//! What the task of LiveKit's Redis and those who read share.

use std::sync::{Arc, Mutex, MutexGuard};

use redis::{PushInfo, PushKind, Value};
use tokio::sync::Notify;

use crate::redis_client::OnPush;

use super::{
    changes::{Changes, KeptChange},
    connection::Connection,
    error::LiveKitRedisError,
    keys::Key,
    metrics::LiveKitRedisMetrics,
};

pub(super) struct Shared {
    state: Mutex<State>,
    pub changes: Arc<Changes>,
    pub metrics: LiveKitRedisMetrics,
}

/// Whether LiveKit's Redis can be read.
enum State {
    Up(Connection),
    /// Why not.
    Down(String),
}

impl Shared {
    pub fn new(metrics: LiveKitRedisMetrics) -> Self {
        let state = Mutex::new(State::Down("it is not connected yet".to_owned()));
        Self { state, changes: Arc::default(), metrics }
    }

    pub fn is_up(&self) -> bool {
        matches!(*self.lock(), State::Up(_))
    }

    /// The connection on which to read.
    pub fn connection(&self) -> Result<Connection, LiveKitRedisError> {
        match &*self.lock() {
            State::Up(connection) => Ok(connection.clone()),
            State::Down(reason) => Err(LiveKitRedisError::Down(reason.clone())),
        }
    }

    /// From now on changes are told, so everything must be read.
    pub fn set_up(&self, connection: Connection) {
        *self.lock() = State::Up(connection);
        self.metrics.set_up(true);
        self.tell(KeptChange::Everything);
    }

    pub fn set_down(&self, reason: String) {
        *self.lock() = State::Down(reason);
        self.metrics.set_up(false);
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
