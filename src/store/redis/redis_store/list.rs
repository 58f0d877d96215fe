//! The list of rooms, as the indexes of all buckets have it.

use std::time::Duration;

use crate::{
    presence::StoreTime,
    store::{Store, StoreError, summary::RoomSummary},
};

use super::{
    super::{commit::Commit, index::IndexedRoom},
    MAX_FORGOTTEN, RedisStore,
};

impl RedisStore {
    /// The list of rooms, as it was at most `max_age` ago.
    pub(super) async fn list(&self, max_age: Duration) -> Result<Vec<RoomSummary>, StoreError> {
        let listed = self.rooms.read(max_age).await?;
        let now = self.now().await?;
        let forgotten = listed.iter().filter(|listed| listed.is_forgotten_at(now));
        self.unlist(forgotten.take(MAX_FORGOTTEN), now).await;
        Ok(self.summaries_of(listed, now))
    }

    pub(super) fn summaries_of(
        &self,
        listed: Vec<IndexedRoom>,
        now: StoreTime,
    ) -> Vec<RoomSummary> {
        let extra_trust = self.extra_trust.get();
        let summary = |listed: IndexedRoom| {
            let completeness = listed.completeness().trusted_longer(extra_trust);
            let is_complete = completeness.is_complete_at(now);
            RoomSummary {
                counts: listed.counts(),
                started_at: listed.started_at(),
                recording: RoomSummary::recording(listed.has_recorder(), is_complete),
                is_complete,
                name: listed.name,
            }
        };
        listed.into_iter().filter(|listed| !listed.is_forgotten_at(now)).map(summary).collect()
    }

    /// Takes forgotten rooms out of the list, unless they are there again.
    async fn unlist(&self, forgotten: impl Iterator<Item = &IndexedRoom>, now: StoreTime) {
        for listed in forgotten {
            let commit = Commit::unlist(now);
            let _ = commit.send(&self.steps.writer, &listed.name, Duration::ZERO).await;
        }
    }
}
