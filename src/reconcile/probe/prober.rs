//! Asks LiveKit whether the sessions of one room live, and has the room note who does.

use std::time::Duration;

use tracing::debug;

use crate::{
    error_chain::Chain,
    presence::{
        Listing, ProbeAnswer, ProbeTarget, Repair, RepairCause, Repairs, Room, RoomName, StoreTime,
        missing,
    },
    reconcile::{api_health::CallTarget, context::Context, state::budget::CallPurpose},
    store::StoreError,
};

use super::missing::Probes;

/// A comparison waits this long for answers before it repairs the room. A session that lives answers within milliseconds, and
/// clients may wait for this comparison.
const QUICK: Duration = Duration::from_millis(700);

/// Probes the sessions of one room.
#[derive(Clone, Copy)]
pub struct Prober<'room> {
    pub context: &'room Context,
    pub room: &'room RoomName,
    pub purpose: CallPurpose,
}

impl<'room> Prober<'room> {
    /// Probes those whom the list omits and whom no earlier round has probed. Waits for the answers that come quickly.
    pub async fn probe_missing(
        self,
        held: &Room,
        listing: &Listing,
        probes: &mut Probes<'room>,
    ) -> Result<(), StoreError> {
        let sample = probes.choose(missing(held, listing, &self.context.rules));
        if !sample.is_empty() {
            let asked_at = self.context.store.now().await?;
            for target in sample {
                let sid = target.sid.clone();
                probes.add(sid, asked_at, async move { self.probe_soon(&target).await });
            }
        }
        self.hear(probes, Some(QUICK)).await;
        if probes.may_speak_for_the_others()
            && matches!(self.context.exists(self.room, self.purpose).await, Ok(false))
        {
            let asked_at = self.context.store.now().await?;
            probes.extend_to_the_others(asked_at);
        }
        Ok(())
    }

    /// Waits for answers, for this long or for all, and has the room note who lives.
    pub async fn hear(self, probes: &mut Probes<'room>, limit: Option<Duration>) {
        let alive = probes.hear(limit).await;
        let Some(asked_at) = alive.iter().map(|probed| probed.asked_at).min() else { return };
        let steps = alive.into_iter().map(|probed| Repair::Alive(probed.sid)).collect();
        if let Err(error) = self.note_life(asked_at, steps).await {
            debug!(room.name = %self.room, error = %Chain(&error), "cannot note who lives");
        }
    }

    async fn note_life(self, asked_at: StoreTime, steps: Vec<Repair>) -> Result<(), StoreError> {
        let Some(held) = self.context.store.read(self.room).await? else { return Ok(()) };
        let repairs = findings(&held, asked_at, steps);
        self.context.repair(self.room, held, &repairs).await?;
        Ok(())
    }

    /// One probe, if the budget allows it soon. None if LiveKit did not say.
    async fn probe_soon(self, target: &ProbeTarget) -> Option<ProbeAnswer> {
        if !self.context.may_call_soon(self.purpose).await {
            return None;
        }
        self.ask(target).await
    }

    /// Asks LiveKit about one session. A call must have been taken for it.
    pub(super) async fn ask(self, target: &ProbeTarget) -> Option<ProbeAnswer> {
        let answer = self.context.api.probe(self.room, &target.identity).await;
        self.context.api_answered(CallTarget::Room(self.room), answer.as_ref().err());
        match answer {
            Ok(answer) => Some(answer),
            Err(error) => {
                debug!(room.name = %self.room, %error, "LiveKit did not say whether a session lives");
                None
            }
        }
    }
}

/// Repairs that record what probes found, and confirm nothing.
pub(super) fn findings(room: &Room, asked_at: StoreTime, steps: Vec<Repair>) -> Repairs {
    Repairs {
        asked_at,
        epoch: room.epoch(),
        version: room.version(),
        confirms: false,
        unlisted_at: None,
        cause: RepairCause::Comparison,
        steps,
    }
}
