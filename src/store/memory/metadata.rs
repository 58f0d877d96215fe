//! What LiveKit says of a room's metadata.

use crate::{
    presence::{MetadataTold, RoomName, ToldMetadata, Version},
    store::events::Happened,
};

use super::MemoryStore;

impl MemoryStore {
    pub(super) fn take_metadata(&self, room: &RoomName, told: &ToldMetadata) -> MetadataTold {
        let mut shard = self.shard_of(room);
        let now = self.time();
        shard.forget(now);
        let is_held =
            shard.rooms.get(room).is_some_and(|held| held.room.version() != Version::ZERO);
        if !is_held {
            return MetadataTold::Outdated;
        }
        self.change(&mut shard, room, now, |held| {
            let before = held.metadata_digest();
            let outcome = held.tell_metadata(told);
            if self.log.is_on() {
                self.log(&Happened::of_metadata(room, held, &before, now), held);
            }
            outcome
        })
    }
}
