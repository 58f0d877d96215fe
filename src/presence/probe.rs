//! Which sessions to probe, because LiveKit's own list goes on naming the people whom a crashed node lost.

use std::time::Duration;

use super::{
    name::{Identity, ParticipantSid},
    room::Room,
    rules::Rules,
    session::{Session, Standing},
    time::StoreTime,
};

/// The longest time between two probes of an evicted session.
const MAX_WAIT: Duration = Duration::from_mins(10);

/// How many sessions that have not failed are probed in one round.
const MAX_AT_ONCE: usize = 50;

/// The answer to a liveness probe: an `UpdateSubscriptions` with no tracks, which only the session's node can carry out.
///
/// livekit-server 1.13 answers 200 for a living session, and 503 `unavailable` after three seconds if no node has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeAnswer {
    /// 200: its node carried out a call for it.
    Alive,
    /// 404: the node that holds the room does not have it.
    Gone,
    /// 503: no node answers for it.
    Unanswered,
}

/// The answer to a probe that was made because a list omits a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    pub sid: ParticipantSid,
    /// When the probe was made, by the store's clock.
    pub asked_at: StoreTime,
    pub answer: ProbeAnswer,
}

/// A session to probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeTarget {
    pub sid: ParticipantSid,
    pub identity: Identity,
    /// When its last failed probe ended, if it has failed since its last sign of life.
    pub failed_at: Option<StoreTime>,
}

/// The sessions to probe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DueProbes {
    /// Those that give reason to doubt, and after a failure those that may have died with it. The most urgent come first.
    pub urgent: Vec<ProbeTarget>,
    /// The one that has been silent for longest, if nothing else speaks for a crash.
    pub quiet: Option<ProbeTarget>,
}

impl Room {
    /// Everybody of [`Self::due_probes`], where somebody is probed in quiet times who has been silent for [`Rules::probe_every`].
    pub fn to_probe(&self, now: StoreTime, rules: &Rules) -> Vec<ProbeTarget> {
        let due = self.due_probes(now, rules.probe_every, rules);
        due.urgent.into_iter().chain(due.quiet).collect()
    }

    /// The sessions to probe now: those that failed, the suspects, then others. After a failure or an eviction the others are all
    /// sessions without a sign of life since: a crash takes many at once, and a session that answers is a witness that LiveKit
    /// does. In quiet times they are only the one whose last sign is oldest, and older than `silence`. Only sessions that LiveKit
    /// lists are probed.
    pub fn due_probes(&self, now: StoreTime, silence: Duration, rules: &Rules) -> DueProbes {
        if !rules.can_probe {
            return DueProbes::default();
        }
        let listed = || {
            let is_listed =
                |held: &&Session| held.life.listed.is_some() && held.life.missing_since.is_none();
            self.sessions.values().filter(is_listed)
        };
        let mut doubtful: Vec<&Session> =
            listed().filter(|held| held.is_doubtful() && held.may_be_asked(now, rules)).collect();
        doubtful.sort_unstable_by_key(|held| (std::cmp::Reverse(held.urgency()), &held.sid));

        let mut present: Vec<&Session> = listed().filter(|held| !held.is_doubtful()).collect();
        present.sort_unstable_by_key(|held| (held.life.alive_at, &held.sid));
        let silent_since = |moment: StoreTime| {
            present.iter().take_while(move |held| held.life.alive_at < moment).copied()
        };
        let failing = doubtful.iter().filter(|held| held.standing == Standing::Present);
        let failed_at =
            failing.filter(|held| held.life.failures > 0).map(|held| held.life.failed_at).max();
        let mut quiet = None;
        match self.evicted_at.max(failed_at) {
            Some(doubted_at) if silent_since(doubted_at).next().is_some() => {
                doubtful.extend(silent_since(doubted_at).take(MAX_AT_ONCE));
            }
            Some(_) | None => quiet = silent_since(now - silence).next().map(Session::as_target),
        }
        DueProbes { urgent: doubtful.into_iter().map(Session::as_target).collect(), quiet }
    }

    /// Whether anybody gives reason to doubt: a suspect, somebody who failed a probe or was evicted.
    pub fn has_doubts(&self) -> bool {
        self.sessions.values().any(Session::is_doubtful)
    }
}

impl Session {
    fn is_doubtful(&self) -> bool {
        self.life.failures > 0 || self.standing != Standing::Present
    }

    /// A session that failed is probed again at once until it is evicted, and then more and more rarely.
    fn may_be_asked(&self, now: StoreTime, rules: &Rules) -> bool {
        if self.standing != Standing::Evicted {
            return true;
        }
        let doublings = u32::from(self.life.failures.min(16));
        let wait = rules.probe_every.saturating_mul(1 << doublings).min(MAX_WAIT);
        now.since(self.life.failed_at) >= wait
    }

    fn urgency(&self) -> u8 {
        match self.standing {
            Standing::Present => 2,
            Standing::Suspect => 1,
            Standing::Evicted | Standing::Missing => 0,
        }
    }

    pub(super) fn as_target(&self) -> ProbeTarget {
        ProbeTarget {
            sid: self.sid.clone(),
            identity: self.identity.clone(),
            failed_at: (self.life.failures > 0).then_some(self.life.failed_at),
        }
    }
}
