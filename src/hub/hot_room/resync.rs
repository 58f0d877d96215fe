//! Reads a hot room again from the store. Its subscribers keep the last list until that succeeds.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use crate::{
    error_chain::Chain,
    presence::{Completeness, Knowledge, Room, Version},
    store::StoreError,
};

use super::{
    super::{list::List, metrics::ResyncCause},
    task::{HotRoom, jittered},
};

/// Changes are held back this long while the shown list is not the store's.
const LOST_LIST_DELAY: Duration = Duration::from_secs(2);
const MIN_RETRY_DELAY: Duration = Duration::from_millis(50);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(1);

impl HotRoom {
    pub(super) async fn resync(&mut self, cause: ResyncCause) {
        self.shared.metrics.resynced(cause);
        let mut retry_after = MIN_RETRY_DELAY;
        while let Err(error) = self.read_again().await {
            self.on_store_error(&error);
            sleep(jittered(retry_after)).await;
            retry_after = (retry_after * 2).min(MAX_RETRY_DELAY);
        }
        self.read_at = Instant::now();
    }

    async fn read_again(&mut self) -> Result<(), StoreError> {
        let held = self.version;
        let name = self.room.name().clone();
        let shared = Arc::clone(&self.shared);
        let _permit = shared.resyncs.acquire().await;
        let store = &shared.lookup.store;
        let mut stored = store.read(&name).await?;
        let is_lost = stored.as_ref().map_or(Version::ZERO, |stored| stored.version()) < held;
        if is_lost {
            warn!(room.name = %name, "the store lost what it had acknowledged");
            store.advance(&name, held).await?;
            shared.lookup.suspect(&name);
            stored = store.read(&name).await?;
        }
        let Some(stored) = stored else { return Ok(()) };
        if self.keeps_people_of(&stored, is_lost) {
            self.take_in(&stored);
            shared.lookup.suspect(&name);
        } else if stored.version() > self.version || self.knowledge.is_lost() {
            self.take_over(&stored);
            self.publish();
        } else {
            self.told(stored.completeness());
        }
        Ok(())
    }

    /// Whether the store lost people whom subscribers see. They stay in the list until LiveKit says who is inside, provided its
    /// API is configured.
    fn keeps_people_of(&self, stored: &Room, is_lost: bool) -> bool {
        let is_another = stored.version() != self.version || self.knowledge.is_lost();
        // If nobody was shown here, somebody was elsewhere.
        let is_shown = self.published != Version::ZERO || is_lost;
        stored.is_lost() && is_another && is_shown && self.shared.lookup.reconciler.is_some()
    }

    /// Adds the people whom the store has to those whom it lost, and removes those who have left since.
    fn take_in(&mut self, stored: &Room) {
        let mut pending = self.pending.take().unwrap_or_default();
        self.list.retain(|sid| !stored.is_gone(sid), &mut pending.diff);
        self.list.fold_in(stored.list(), &mut pending.diff);
        // If the list has not changed, there is nothing to publish.
        self.pending = (!pending.diff.is_empty()).then_some(pending);
        self.version = stored.version();
        self.knowledge = Knowledge::LOST;
        self.room.known_to_be(self.knowledge.completeness());
        // Another instance may show the store's own list under the version of the next change. LiveKit's answer raises the
        // version, so it gets this time to come first.
        self.window_ends = self.window_ends.max(Instant::now() + LOST_LIST_DELAY);
    }

    /// Replaces the list held here with the store's.
    pub(super) fn take_over(&mut self, stored: &Room) {
        let pending = self.pending.get_or_insert_default();
        self.list.touch_all(&mut pending.diff);
        self.list = List::new(stored.list());
        for entry in &*self.list.entries() {
            pending.diff.touch(&entry.participant.identity, || None);
        }
        self.version = stored.version();
        self.knowledge = stored.completeness().into();
    }

    /// Takes over what the store knows about the list. The store has the same version as this room.
    pub(super) fn told(&mut self, completeness: Completeness) {
        self.knowledge.told(completeness);
        self.room.known_to_be(self.knowledge.completeness());
    }

    pub(super) fn on_store_error(&self, error: &StoreError) {
        self.room.known_to_be(Completeness::Partial);
        debug!(room.name = %self.room.name(), error = %Chain(&error), "cannot read a hot room again");
    }
}
