//! Hands repairs to the store, and counts and logs what they mended.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::info;

use crate::{
    presence::{Repair, Repaired, Repairs, Room, RoomName},
    store::StoreError,
};

use super::{context::Context, metrics::RepairKind};

impl Context {
    /// Repairs a room. Takes `held` by value and drops it first: a store that shares it would otherwise have to copy the room.
    pub async fn repair(
        &self,
        room: &RoomName,
        held: Arc<Room>,
        repairs: &Repairs,
    ) -> Result<Repaired, StoreError> {
        let ages = ages(&held, repairs);
        let subjects = repairs.subjects(&held);
        drop(held);
        let repaired = self.store.repair(room, repairs, &subjects).await?;
        let Repaired { change, counts, .. } = &repaired;
        self.metrics.repaired(*counts);
        if counts.suspected + counts.evicted > 0 {
            self.schedule().alarm(Instant::now());
        }
        // What readers see changed, and no webhook told.
        if counts.updated > 0 && change.is_some() {
            self.schedule().intervals.note_news(room);
        }
        if counts.has_mended() {
            for (kind, age) in ages {
                self.metrics.aged(kind, age);
            }
            info!(
                room.name = %room,
                changed = change.is_some(),
                added = counts.added,
                removed = counts.removed,
                replaced = counts.replaced,
                updated = counts.updated,
                suspected = counts.suspected,
                evicted = counts.evicted,
                reinstated = counts.reinstated,
                "brought a room into line with LiveKit"
            );
        }
        Ok(repaired)
    }
}

/// For how long what is repaired had been wrong, as far as that can be told.
fn ages(held: &Room, repairs: &Repairs) -> Vec<(RepairKind, Duration)> {
    let age = |step: &Repair| {
        let kind = match step {
            Repair::Add { suspect: false, .. } => RepairKind::MissedJoin,
            Repair::Remove(_) => RepairKind::MissedLeave,
            Repair::Evict(_) => RepairKind::CrashGhost,
            _ => return None,
        };
        Some((kind, held.age_of(step, repairs.asked_at)?))
    };
    repairs.steps.iter().filter_map(age).collect()
}
