//! What LiveKit says of the metadata of rooms where it is asked for something else anyway. No call is made for it.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use tracing::debug;

use crate::{
    error_chain::Chain,
    livekit::{ListedRoom, redis::RoomObject},
    presence::{
        LiveKitTime, MetadataDigest, MetadataTold, Room, RoomName, StoreTime, ToldMetadata,
    },
};

use super::context::Context;

/// What the store was told of last, so that it is told of the same only once. Late webhooks do not undo it.
#[derive(Default)]
pub(super) struct SaidMetadata(Mutex<HashMap<RoomName, Said>>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Said {
    created_at: Option<LiveKitTime>,
    digest: MetadataDigest,
}

impl Said {
    fn of(told: &ToldMetadata) -> Self {
        Self { created_at: told.created_at, digest: MetadataDigest::of(&told.metadata) }
    }
}

impl SaidMetadata {
    /// Forgets all rooms but those.
    pub fn keep(&self, is_there: impl Fn(&RoomName) -> bool) {
        self.lock().retain(|room, _| is_there(room));
    }

    pub fn forget_all(&self) {
        self.lock().clear();
    }

    fn is_told(&self, room: &RoomName, said: &Said) -> bool {
        self.lock().get(room) == Some(said)
    }

    fn told(&self, room: &RoomName, said: Said) {
        self.lock().insert(room.clone(), said);
    }

    /// Whether nothing is known of a room, and it has no metadata, as most have none.
    fn is_nothing(&self, room: &RoomName, said: &Said) -> bool {
        said.digest == MetadataDigest::default() && !self.lock().contains_key(room)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RoomName, Said>> {
        self.0.lock().expect("nothing panics while it is locked")
    }
}

impl Context {
    /// Has the store take over what LiveKit says of a room's metadata, unless it was told the same before. Returns whether
    /// another reading may tell more.
    pub async fn tell_metadata(&self, room: &RoomName, told: &ToldMetadata) -> bool {
        let said = Said::of(told);
        if self.said_metadata.is_told(room, &said) {
            return false;
        }
        match self.store.tell_metadata(room, told).await {
            Ok(MetadataTold::Changed | MetadataTold::Same) => {
                self.said_metadata.told(room, said);
                false
            }
            Ok(MetadataTold::Outdated) => true,
            Err(error) => {
                debug!(room.name = %room, error = %Chain(&error), "cannot store a room's metadata");
                true
            }
        }
    }

    /// LiveKit's API was asked at `asked_at` for all rooms, and said this.
    pub async fn tell_listed_metadata(&self, rooms: &[ListedRoom], asked_at: StoreTime) {
        for ListedRoom { name, created_at, metadata } in rooms {
            let Some(metadata) = metadata else { continue };
            let metadata = metadata.as_str().into();
            let told = ToldMetadata { created_at: *created_at, metadata, asked_at };
            if !self.said_metadata.is_nothing(name, &Said::of(&told)) {
                self.tell_metadata(name, &told).await;
            }
        }
        let names: std::collections::HashSet<_> = rooms.iter().map(|room| &room.name).collect();
        self.said_metadata.keep(|room| names.contains(room));
    }

    /// Compares the metadata of a room with what LiveKit's Redis keeps, if that is used.
    pub async fn compare_metadata(&self, room: &RoomName, held: &Room, asked_at: StoreTime) {
        let Some(kept) = self.kept() else { return };
        // A Redis that fails here has been counted where it failed.
        let Ok(Some(object)) = kept.room(room).await else { return };
        if held.metadata() != Some(object.metadata.as_str()) {
            let told = told_of(object, asked_at);
            if let Err(error) = self.store.tell_metadata(room, &told).await {
                debug!(room.name = %room, error = %Chain(&error), "cannot store a room's metadata");
            }
        }
    }
}

/// What LiveKit's Redis says of a room's metadata.
pub(super) fn told_of(object: RoomObject, asked_at: StoreTime) -> ToldMetadata {
    ToldMetadata { created_at: object.created_at, metadata: object.metadata.into(), asked_at }
}
