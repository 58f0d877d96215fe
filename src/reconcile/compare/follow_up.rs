//! What follows a comparison once no client waits for it: the slow answers of probes, and probes of listed sessions.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    presence::ParticipantSid,
    reconcile::{
        context::Context,
        probe::{
            listed::{Doubts, ProbeRound},
            missing::Probes,
        },
        state::outcome::ComparisonOutcome,
    },
};

use super::comparison::Comparison;

/// After a failed probe the room is compared and its sessions are probed again at once, up to this many times.
const MAX_PROBE_ROUNDS: usize = 8;
/// Rounds of one comparison, the first included. Each asks for a list, and probes some of those whom it omits.
const MAX_ROUNDS: usize = 4;
/// The grace is over after it, not at its end.
const A_MOMENT: Duration = Duration::from_millis(5);

impl<'room> Comparison<'room> {
    /// Waits for the probes that take long, and asks for another list if that decides about somebody.
    pub async fn settle(&self, mut probes: Probes<'room>) {
        for _ in 1..MAX_ROUNDS {
            if !probes.is_open() {
                return;
            }
            self.prober().hear(&mut probes, None).await;
            if !probes.wants_list() {
                // What the probes found is noted, and another list would decide nothing more.
                return self.context.schedule().tell(self.room, ComparisonOutcome::Undecided);
            }
            self.outlast_grace(probes.unanswered()).await;
            let Ok(Some(held)) = self.take_lease().await else { return };
            let outcome = match self.another_list().await {
                Some(call) => self.compare(call, &mut probes).await,
                None => ComparisonOutcome::Unknown,
            };
            self.end(held).await;
            self.context.schedule().tell(self.room, outcome);
            if outcome == ComparisonOutcome::Unknown {
                return;
            }
        }
    }

    /// Waits until a list may decide about those for whom no node answered. One that is asked for earlier would decide nothing.
    async fn outlast_grace(&self, unanswered: Vec<ParticipantSid>) {
        if unanswered.is_empty() {
            return;
        }
        let Context { store, rules, .. } = self.context;
        let (Ok(Some(held)), Ok(now)) = (store.read(self.room).await, store.now().await) else {
            return;
        };
        let until = unanswered.iter().filter_map(|sid| held.grace_until(sid, rules)).max();
        drop(held);
        if let Some(until) = until.filter(|until| *until >= now) {
            sleep((until.since(now) + A_MOMENT).min(rules.grace + A_MOMENT)).await;
        }
    }

    /// Probes listed sessions that give reason to doubt, until a round has no failures.
    pub async fn probe_all_listed(&self, doubts: Doubts) {
        for _ in 0..MAX_PROBE_ROUNDS {
            match self.prober().probe_listed(doubts).await {
                Ok(ProbeRound::NobodyFailed) | Err(_) => return,
                Ok(ProbeRound::SomebodyFailed) => {
                    if self.judge_failures().await == ComparisonOutcome::Unknown {
                        return;
                    }
                }
            }
        }
    }

    /// Compares the room again, because only a session that is still listed after its failures is evicted.
    async fn judge_failures(&self) -> ComparisonOutcome {
        let Ok(Some(held)) = self.take_lease().await else { return ComparisonOutcome::Unknown };
        let mut probes = Probes::default();
        let outcome = match self.context.list_allowance(self.purpose).await {
            Ok(call) => self.compare(call, &mut probes).await,
            Err(_) => ComparisonOutcome::Unknown,
        };
        self.end(held).await;
        self.context.schedule().tell(self.room, outcome);
        if outcome != ComparisonOutcome::Unknown {
            self.settle(probes).await;
        }
        outcome
    }
}
