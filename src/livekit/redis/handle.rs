//! LiveKit's Redis, for those who read it.

use std::sync::{Arc, MutexGuard};

use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use crate::{
    presence::{RoomName, SessionInfo},
    redis_client::Connector,
};

use super::{
    budget::{ByteBudget, ByteRate},
    changes::KeptChanges,
    error::LiveKitRedisError,
    keys,
    metrics::{LiveKitRedisMetrics, What},
    reader::Reader,
    room_object::RoomObject,
    settings::LiveKitRedisSettings,
    shared::Shared,
    spending::Payment,
    task::Task,
};

/// What LiveKit keeps in its own Redis. Keeps a connection there while it exists.
pub struct LiveKitRedis {
    shared: Arc<Shared>,
    rate: ByteRate,
    _task: AbortOnDropHandle<()>,
}

/// The people in a room.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptPeople {
    pub sessions: Vec<SessionInfo>,
    /// How much was read.
    pub bytes: usize,
}

/// The names of all rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptNames {
    pub names: Vec<RoomName>,
    /// How much was read.
    pub bytes: usize,
}

impl LiveKitRedis {
    /// Connects, and connects again whenever that fails. Must be called in a runtime.
    pub fn start(settings: LiveKitRedisSettings, metrics: LiveKitRedisMetrics) -> Arc<Self> {
        let rate = ByteRate::new(settings.bytes_per_second);
        let shared = Arc::new(Shared::new(rate, metrics));
        let task = Task::new(Connector::new(settings.address), Arc::clone(&shared));
        Arc::new(Self { shared, rate, _task: AbortOnDropHandle::new(tokio::spawn(task.run())) })
    }

    /// Whether what is read is told of when it changes, and has a layout that is known. While it is not, LiveKit's API has to be
    /// asked.
    pub fn is_up(&self) -> bool {
        self.shared.is_up()
    }

    /// Whether it is seen when a server of LiveKit crashes: `nodes` can be read, and some server goes on writing there.
    pub fn sees_nodes(&self) -> bool {
        self.shared.sees_nodes()
    }

    /// Waits until a server of LiveKit may have crashed. One caller at a time.
    pub async fn node_lost(&self) {
        self.shared.node_lost.notified().await;
    }

    /// Notes whether it is another LiveKit's, as those who read it have found. Only the metric shows it.
    pub fn leave_alone(&self, is_left_alone: bool) {
        self.shared.leave_alone(is_left_alone);
    }

    /// What all readings together may bring a second, as it is configured.
    pub fn rate(&self) -> ByteRate {
        self.rate
    }

    /// What may still be read.
    pub fn budget(&self) -> MutexGuard<'_, ByteBudget> {
        self.shared.budget()
    }

    /// Everybody whom LiveKit keeps of a room; nobody, if it keeps nothing of it. The next change to them is told.
    ///
    /// # Errors
    /// Redis does not answer, somebody cannot be read, or the room is too large, or too much was read already.
    pub async fn participants(
        &self,
        room: &RoomName,
        payment: Payment,
    ) -> Result<KeptPeople, LiveKitRedisError> {
        let key = keys::participants(room);
        let people = async {
            let (sessions, bytes) = Reader::new(&self.shared, payment)?.people(&key).await?;
            Ok(KeptPeople { sessions, bytes })
        };
        let people = Box::pin(people).await;
        self.note(What::People, &key, &people);
        people
    }

    /// The names of all rooms, without those that this service cannot watch. The next change to any room is told.
    ///
    /// # Errors
    /// Redis does not answer, or too much was read already, or there is too much to read.
    pub async fn room_names(&self) -> Result<KeptNames, LiveKitRedisError> {
        let names = async {
            let mut reader = Reader::new(&self.shared, Payment::Waits)?;
            let names = reader.room_names().await?;
            let names = names.iter().filter_map(|name| std::str::from_utf8(name).ok());
            let names = names.filter_map(|name| RoomName::parse(name).ok()).collect();
            Ok(KeptNames { names, bytes: reader.bytes() })
        };
        let names = names.await;
        self.note(What::RoomNames, keys::ROOMS, &names);
        names
    }

    /// A room as LiveKit keeps it; none if it has no such room. The next change to any room is told.
    ///
    /// # Errors
    /// Redis does not answer, the room cannot be read, or is too large, or too much was read already.
    pub async fn room(&self, name: &RoomName) -> Result<Option<RoomObject>, LiveKitRedisError> {
        let room = async { Reader::new(&self.shared, Payment::Waits)?.room(name.as_str()).await };
        let room = room.await;
        self.note(What::Room, name.as_str(), &room);
        room
    }

    /// Counts a reading, and says once what is too large to be read.
    fn note<T>(&self, what: What, key: &str, result: &Result<T, LiveKitRedisError>) {
        self.shared.metrics.read(what, result);
        if let Err(error @ LiveKitRedisError::TooLarge { .. }) = result
            && self.shared.sizes().is_news(key)
        {
            warn!(key, %error, "LiveKit's API is asked about it instead, and what no webhook tells is shown late");
        }
    }

    /// Tells of changes to what was read, until the receiver is dropped. Begins with [`KeptChange::Everything`]. One receiver at a
    /// time.
    ///
    /// [`KeptChange::Everything`]: super::KeptChange::Everything
    pub fn changes(&self) -> KeptChanges {
        KeptChanges::new(Arc::clone(&self.shared.changes))
    }
}

impl Drop for LiveKitRedis {
    fn drop(&mut self) {
        self.shared.changes.close();
    }
}
