//! Probes the sessions that LiveKit lists and that give reason to doubt.

use std::{
    future::ready,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use tokio::time::sleep;

use crate::{
    presence::{ProbeAnswer, ProbeTarget, Repair, Repairs, Room, StoreTime},
    store::StoreError,
};

use super::prober::{Prober, findings};

/// Probes under way at the same time. One that fails takes three seconds.
const MAX_AT_ONCE: usize = 16;
/// How often the store's clock is looked at, at most, until it is past the time of the last failure, and how far apart.
const MAX_CLOCK_LOOKS: usize = 50;
const CLOCK_LOOK_DELAY: Duration = Duration::from_millis(10);

/// Whom to probe of those whom LiveKit lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubts {
    /// Those who give reason to doubt.
    Only,
    /// If nobody does, the one who has been silent for longest.
    AndTheSilent,
}

/// How a round of probes ended.
pub enum ProbeRound {
    NobodyFailed,
    SomebodyFailed,
}

impl Prober<'_> {
    /// Probes everybody in the room whose turn it is.
    pub async fn probe_listed(self, doubts: Doubts) -> Result<ProbeRound, StoreError> {
        let Some(room) = self.context.store.read(self.room).await? else {
            return Ok(ProbeRound::NobodyFailed);
        };
        if doubts == Doubts::Only && !room.has_doubts() {
            return Ok(ProbeRound::NobodyFailed);
        }
        let asked_at = self.context.store.now().await?;
        let targets = self.targets(&room, asked_at);
        if targets.is_empty() {
            return Ok(ProbeRound::NobodyFailed);
        }
        let repairs = findings(&room, asked_at, Vec::new());
        // The room changes while they are asked.
        drop(room);
        let steps: Vec<Repair> = stream::iter(targets)
            .map(|target| self.probe_in_turn(target, asked_at))
            .buffer_unordered(MAX_AT_ONCE)
            .filter_map(ready)
            .collect()
            .await;
        let has_failure = steps.iter().any(|step| matches!(step, Repair::Dead { .. }));
        if has_failure {
            self.context.schedule().alarm(Instant::now());
        }
        self.context.repair(self.room, Arc::default(), &Repairs { steps, ..repairs }).await?;
        if !has_failure {
            return Ok(ProbeRound::NobodyFailed);
        }
        self.until_after_failures().await?;
        Ok(ProbeRound::SomebodyFailed)
    }

    /// Waits until what is asked next counts as asked after these failures: the time at which the store noted them may be ahead of
    /// its clock, by as long as a call takes.
    async fn until_after_failures(self) -> Result<(), StoreError> {
        let Some(room) = self.context.store.read(self.room).await? else { return Ok(()) };
        let failed_at = room.sessions().map(|session| session.life().failed_at).max();
        for _ in 0..MAX_CLOCK_LOOKS {
            if Some(self.context.store.now().await?) > failed_at {
                break;
            }
            sleep(CLOCK_LOOK_DELAY).await;
        }
        Ok(())
    }

    /// Whom to probe now. Somebody who gives no reason to doubt takes the room's turn.
    fn targets(self, room: &Room, asked_at: StoreTime) -> Vec<ProbeTarget> {
        let rules = &self.context.rules;
        let silence = self.context.schedule().silence(rules.probe_every, Instant::now());
        let due = room.due_probes(asked_at, silence, rules);
        let quiet = due.quiet.filter(|_| self.context.may_probe_quietly(self.room));
        due.urgent.into_iter().chain(quiet).collect()
    }

    /// One probe, when the budget allows it. None if LiveKit did not say.
    async fn probe_in_turn(self, target: ProbeTarget, asked_at: StoreTime) -> Option<Repair> {
        self.context.allowance(self.purpose).await.ok()?;
        let answer = self.ask(&target).await?;
        let mut schedule = self.context.schedule();
        Some(match answer {
            ProbeAnswer::Alive => {
                schedule.note_witness(asked_at);
                Repair::Alive(target.sid)
            }
            ProbeAnswer::Gone | ProbeAnswer::Unanswered => {
                let witnessed = schedule.has_witness_since(target.failed_at);
                Repair::Dead { sid: target.sid, witnessed }
            }
        })
    }
}
