//! The liveness probes of one comparison: sessions that a list omits are probed before they count as gone.
//!
//! Asks nobody itself. A comparison adds probes, and learns here what they found and what is still open.

use std::{collections::HashSet, pin::pin, time::Duration};

use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, OptionFuture},
    stream::FuturesUnordered,
};
use tokio::time::sleep;

use crate::presence::{
    ParticipantSid, ProbeAnswer, ProbeTarget, Probed, Repair, Repairs, StoreTime,
};

/// Probes under way at once, and the size of the sample if a list omits more people than this. Each costs a call.
const MAX_PROBES: usize = 16;

/// What is known of those whom a list omits.
#[derive(Default)]
pub struct Probes<'comparison> {
    under_way: FuturesUnordered<BoxFuture<'comparison, (ParticipantSid, Option<Probed>)>>,
    /// Everybody who was probed.
    asked: HashSet<ParticipantSid>,
    answers: Vec<Probed>,
    /// Whom the last list omits.
    missing: Vec<ParticipantSid>,
    /// Those of them who were not probed because there are too many.
    others: Vec<ParticipantSid>,
    /// Whether a probe was answered in a way that only a list requested after it can decide.
    needs_list: bool,
    /// The same, and the list must not be requested before a session's grace is over.
    needs_later_list: bool,
    /// Whether the last list omits somebody who is not known to live and was not removed.
    is_undecided: bool,
}

impl<'comparison> Probes<'comparison> {
    /// Chooses whom to probe among those whom a list omits: everybody, or, if there are too many, a sample of those seen most
    /// recently and those not seen for longest. If somebody in an earlier sample lives, the list is wrong about many, and the
    /// others wait.
    pub fn choose(&mut self, mut missing: Vec<ProbeTarget>) -> Vec<ProbeTarget> {
        self.missing = missing.iter().map(|target| target.sid.clone()).collect();
        missing.retain(|target| !self.asked.contains(&target.sid));
        let mut sample = missing;
        self.others.clear();
        if self.found_life() && sample.len() > MAX_PROBES {
            self.others = sample.into_iter().map(|target| target.sid).collect();
            return Vec::new();
        }
        if sample.len() > MAX_PROBES {
            let mut rest = sample.split_off(MAX_PROBES / 2);
            sample.extend(rest.split_off(rest.len() - MAX_PROBES / 2));
            self.others = rest.into_iter().map(|target| target.sid).collect();
        }
        sample
    }

    /// Adds a probe made at `asked_at`.
    pub fn add(
        &mut self,
        sid: ParticipantSid,
        asked_at: StoreTime,
        probe: impl Future<Output = Option<ProbeAnswer>> + Send + 'comparison,
    ) {
        self.asked.insert(sid.clone());
        let probed = probe.map(move |answer| {
            let probed = answer.map(|answer| Probed { sid: sid.clone(), asked_at, answer });
            (sid, probed)
        });
        self.under_way.push(probed.boxed());
    }

    /// Waits until all answers came, for at most `limit`. Returns those of living sessions.
    pub async fn hear(&mut self, limit: Option<Duration>) -> Vec<Probed> {
        let mut alive = Vec::new();
        let mut over = pin!(OptionFuture::from(limit.map(sleep)));
        loop {
            let next = tokio::select! {
                biased;
                next = self.under_way.next() => next,
                Some(()) = &mut over => None,
            };
            // A session about which LiveKit did not say is left to the next comparison.
            let Some((_, probed)) = next else { return alive };
            let Some(probed) = probed else { continue };
            match probed.answer {
                ProbeAnswer::Alive => alive.push(probed.clone()),
                ProbeAnswer::Gone | ProbeAnswer::Unanswered => self.needs_list = true,
            }
            self.answers.push(probed);
        }
    }

    pub fn answers(&self) -> &[Probed] {
        &self.answers
    }

    /// Those for whom no node answered.
    pub fn unanswered(&self) -> Vec<ParticipantSid> {
        let answers = self.answers.iter();
        let unanswered = answers.filter(|probed| probed.answer == ProbeAnswer::Unanswered);
        unanswered.map(|probed| probed.sid.clone()).collect()
    }

    /// Those of them whom the last list omits and who live.
    pub fn living(&self) -> Vec<ParticipantSid> {
        let lives = |sid: &&ParticipantSid| {
            let mut answers = self.answers.iter().filter(|probed| probed.sid == **sid);
            answers.any(|probed| probed.answer == ProbeAnswer::Alive)
        };
        self.missing.iter().filter(lives).cloned().collect()
    }

    /// Notes what a list and the answers until then decided. `is_past_grace` tells for which sessions a list may decide.
    pub fn judged_by(&mut self, planned: &Repairs, is_past_grace: impl Fn(&Probed) -> bool) {
        let removed: HashSet<_> = planned
            .steps
            .iter()
            .filter_map(|step| match step {
                Repair::Remove(sid) => Some(sid),
                _ => None,
            })
            .collect();
        let is_open = |sid: &ParticipantSid| {
            let lives = |probed: &Probed| probed.sid == *sid && probed.answer == ProbeAnswer::Alive;
            !removed.contains(sid) && !self.answers.iter().any(lives)
        };
        let open: HashSet<_> = self.missing.iter().filter(|sid| is_open(sid)).collect();
        // If no node answered for a session, only a list requested after the probe decides.
        let needs_list = |probed: &&Probed| {
            probed.answer == ProbeAnswer::Unanswered
                && probed.asked_at > planned.asked_at
                && open.contains(&probed.sid)
        };
        let (now, later): (Vec<_>, Vec<_>) =
            self.answers.iter().filter(needs_list).partition(|probed| is_past_grace(probed));
        (self.needs_list, self.needs_later_list) = (!now.is_empty(), !later.is_empty());
        self.is_undecided = !open.is_empty();
    }

    /// Whether everybody whom the last list omits lives or was removed.
    pub fn is_decided(&self) -> bool {
        !self.is_undecided
    }

    /// Whether waiting, or another list, may decide something.
    pub fn is_open(&self) -> bool {
        !self.under_way.is_empty() || self.wants_list()
    }

    /// Whether another list may decide something, or find more people to ask.
    pub fn wants_list(&self) -> bool {
        let needs_list = self.needs_list || self.needs_later_list;
        needs_list || !self.others.is_empty() && !self.found_life() && self.all_answered()
    }

    /// Whether another list can decide now, because no answer is still to come.
    pub fn wants_list_at_once(&self) -> bool {
        self.needs_list && self.under_way.is_empty()
    }

    /// Whether the sample may speak for the others, if LiveKit does not have the room: there are others, all answers came, and
    /// nobody lives.
    pub fn may_speak_for_the_others(&self) -> bool {
        !self.others.is_empty() && !self.found_life() && self.all_answered()
    }

    /// LiveKit does not have the room: this counts as if no node had answered for the others either.
    pub fn extend_to_the_others(&mut self, asked_at: StoreTime) {
        let answer = ProbeAnswer::Unanswered;
        let others = std::mem::take(&mut self.others);
        self.asked.extend(others.iter().cloned());
        self.answers.extend(others.into_iter().map(|sid| Probed { sid, asked_at, answer }));
        self.needs_list = true;
    }

    fn found_life(&self) -> bool {
        self.answers.iter().any(|probed| probed.answer == ProbeAnswer::Alive)
    }

    fn all_answered(&self) -> bool {
        self.under_way.is_empty() && self.answers.len() == self.asked.len()
    }
}
