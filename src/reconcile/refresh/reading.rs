//! One reading of a watched room in LiveKit's Redis, and what follows from it.

use std::time::Instant;

use tracing::debug;

use crate::{
    error_chain::Chain,
    livekit::redis::Payment,
    presence::{Listing, Refresh, RoomName, plan_refresh},
    reconcile::{context::Context, failure::Failure, kept::KeptRooms, metrics::RefreshOutcome},
};

use super::pace::Reading;

/// What a reading did.
struct Refreshed {
    bytes: usize,
    updated: usize,
    /// Whether another reading may tell more.
    is_overtaken: bool,
}

impl Context {
    /// Reads a room, and has the store describe its people as LiveKit does.
    pub(super) async fn read_kept(&self, reading: Reading) {
        let Some(kept) = &self.kept_rooms else { return };
        let Reading { room, changed_at, charged } = reading;
        match self.refresh(kept, &room, Payment::Granted(charged)).await {
            Ok(refreshed) => {
                self.readings.read(&room, refreshed.bytes);
                if refreshed.is_overtaken {
                    self.readings.read_again(&room);
                }
                self.note_refreshed(&refreshed, changed_at);
            }
            Err(error) if error.over_budget().is_some() => {
                self.readings.put_off(&room, error.over_budget().unwrap_or_default());
            }
            Err(error) => {
                // It is read again after a while. Until then comparisons tell.
                self.readings.failed(&room, error.bytes());
                self.metrics.refreshed(RefreshOutcome::Failed);
                debug!(room.name = %room, error = %Chain(&error), "cannot read a room of LiveKit's Redis");
            }
        }
    }

    async fn refresh(
        &self,
        kept: &KeptRooms,
        room: &RoomName,
        payment: Payment,
    ) -> Result<Refreshed, Failure> {
        let asked_at = self.store.now().await?;
        let people = kept.redis.participants(room, payment).await?;
        let listing = Listing { asked_at, sessions: people.sessions };
        let held = self.store.read(room).await?.unwrap_or_default();
        kept.compare(&held, &listing.sessions);
        let Refresh { repairs, differing, is_overtaken } =
            plan_refresh(&held, &listing, &self.rules);
        if self.readings.differ(room, &differing) {
            self.schedule().suspect(room, Instant::now());
            self.wake.notify_one();
        }
        let mut refreshed = Refreshed { bytes: people.bytes, updated: 0, is_overtaken };
        if repairs.steps.is_empty() {
            return Ok(refreshed);
        }
        let subjects = repairs.subjects(&held);
        // A store that shares it would otherwise have to copy the room.
        drop(held);
        let repaired = self.store.repair(room, &repairs, &subjects).await?;
        refreshed.updated = repaired.counts.updated;
        refreshed.is_overtaken |= repaired.is_refused || repaired.counts.outdated > 0;
        Ok(refreshed)
    }

    fn note_refreshed(&self, refreshed: &Refreshed, changed_at: Option<Instant>) {
        if refreshed.updated == 0 {
            return self.metrics.refreshed(RefreshOutcome::Same);
        }
        self.metrics.refreshed(RefreshOutcome::Updated);
        self.metrics.described(refreshed.updated, changed_at.map(|at| at.elapsed()));
    }
}
