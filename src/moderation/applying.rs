//! What becomes of LiveKit's answer: the room is changed at once, or compared if that cannot be done.

use std::sync::Arc;

use crate::presence::{Repair, Repaired, Repairs, Room, RoomName, StoreTime};

use super::{calls::Before, error::ModerationError, moderators::Moderation};

impl Moderation {
    /// Applies what LiveKit answered to the room as it is now.
    pub(super) async fn apply(
        &self,
        room: &RoomName,
        before: Before,
        mut steps: Vec<Repair>,
    ) -> Result<Repaired, ModerationError> {
        let Before { asked_at, room: held } = before;
        let mut repaired = self.repair(room, held, asked_at, steps.clone()).await?;
        if repaired.is_refused {
            // The room started or finished since. What LiveKit said of its sessions still holds, but not that it is closed.
            steps.retain(|step| *step != Repair::Closed);
            let held = self.store.read(room).await.map_err(ModerationError::NotShown)?;
            repaired = self.repair(room, held.unwrap_or_default(), asked_at, steps.clone()).await?;
        }
        let is_mute = |step: &Repair| matches!(step, Repair::Muted { .. });
        let is_undecided = repaired.counts.outdated > 0 && steps.iter().any(is_mute);
        if steps.is_empty() || repaired.is_refused || is_undecided {
            self.reconciler.suspect(room);
        }
        Ok(repaired)
    }

    async fn repair(
        &self,
        room: &RoomName,
        held: Arc<Room>,
        asked_at: StoreTime,
        steps: Vec<Repair>,
    ) -> Result<Repaired, ModerationError> {
        if steps.is_empty() {
            return Ok(Repaired::default());
        }
        let repairs = Repairs::moderated(&held, asked_at, steps);
        let subjects = repairs.subjects(&held);
        // A store that shares it would otherwise have to copy the room.
        drop(held);
        self.store.repair(room, &repairs, &subjects).await.map_err(ModerationError::NotShown)
    }
}
