//! LiveKit's Redis, for those who read it.

use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;

use crate::{
    presence::{RoomName, SessionInfo},
    redis_client::Connector,
};

use super::{
    changes::KeptChanges,
    connection::Fields,
    error::LiveKitRedisError,
    lost::told,
    messages,
    metrics::{LiveKitRedisMetrics, What},
    room_object::RoomObject,
    settings::LiveKitRedisSettings,
    shared::Shared,
    task::{Task, within},
};

/// What LiveKit keeps in its own Redis. Keeps a connection there while it exists.
pub struct LiveKitRedis {
    shared: Arc<Shared>,
    bytes_per_second: u64,
    _task: AbortOnDropHandle<()>,
}

/// The people in a room.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptPeople {
    pub sessions: Vec<SessionInfo>,
    /// How much was read.
    pub bytes: usize,
}

impl LiveKitRedis {
    /// Connects, and connects again whenever that fails. Must be called in a runtime.
    pub fn start(settings: LiveKitRedisSettings, metrics: LiveKitRedisMetrics) -> Arc<Self> {
        let shared = Arc::new(Shared::new(metrics));
        let task = Task::new(Connector::new(settings.address), Arc::clone(&shared));
        Arc::new(Self {
            shared,
            bytes_per_second: settings.bytes_per_second,
            _task: AbortOnDropHandle::new(tokio::spawn(task.run())),
        })
    }

    /// Whether what is read is told of when it changes, and has a layout that is known. While it is not, LiveKit's API has to be
    /// asked.
    pub fn is_up(&self) -> bool {
        self.shared.is_up()
    }

    /// What all rooms together may be read a second, as it is configured.
    pub fn bytes_per_second(&self) -> u64 {
        self.bytes_per_second
    }

    /// Everybody whom LiveKit keeps of a room; nobody, if it keeps nothing of it. The next change to them is told.
    ///
    /// # Errors
    /// Redis does not answer, or somebody cannot be read.
    pub async fn participants(&self, room: &RoomName) -> Result<KeptPeople, LiveKitRedisError> {
        let mut bytes = 0;
        let people = async {
            let mut connection = self.shared.connection()?;
            let fields = within(connection.participants(room)).await.map_err(down)?;
            bytes = size_of(&fields);
            Ok(KeptPeople { sessions: messages::participants(fields)?, bytes })
        };
        let people = people.await;
        self.shared.metrics.read(What::People, bytes, &people);
        people
    }

    /// The names of all rooms, without those that this service cannot watch. The next change to any room is told.
    ///
    /// # Errors
    /// Redis does not answer.
    pub async fn room_names(&self) -> Result<Vec<RoomName>, LiveKitRedisError> {
        let mut bytes = 0;
        let names = async {
            let mut connection = self.shared.connection()?;
            let fields = within(connection.rooms()).await.map_err(down)?;
            bytes = size_of(&fields);
            let names = fields.iter().filter_map(|(name, _)| std::str::from_utf8(name).ok());
            Ok(names.filter_map(|name| RoomName::parse(name).ok()).collect())
        };
        let names = names.await;
        self.shared.metrics.read(What::RoomNames, bytes, &names);
        names
    }

    /// A room as LiveKit keeps it; none if it has no such room. The next change to any room is told.
    ///
    /// # Errors
    /// Redis does not answer, or the room cannot be read.
    pub async fn room(&self, name: &RoomName) -> Result<Option<RoomObject>, LiveKitRedisError> {
        let mut bytes = 0;
        let room = async {
            let mut connection = self.shared.connection()?;
            let Some(value) = within(connection.room(name.as_str())).await.map_err(down)? else {
                return Ok(None);
            };
            bytes = value.len();
            Ok(Some(messages::room(&value)?))
        };
        let room = room.await;
        self.shared.metrics.read(What::Room, bytes, &room);
        room
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

fn down(error: redis::RedisError) -> LiveKitRedisError {
    LiveKitRedisError::Down(told(&error))
}

fn size_of(fields: &Fields) -> usize {
    fields.iter().map(|(name, value)| name.len() + value.len()).sum()
}
