//! Which sessions to probe: LiveKit's own list goes on naming the people whom a crashed node lost.

use std::time::Duration;

use super::{Identity, ParticipantSid, Room, Rules, Session, Standing, StoreTime};

/// A session that stays dead is asked again after this time at the latest.
const MAX_WAIT: Duration = Duration::from_mins(10);

/// Sessions that have not failed, asked in one round.
const MAX_AT_ONCE: usize = 50;

/// What a liveness probe showed: an `UpdateSubscriptions` with no tracks, which only the session's node can carry out.
///
/// Seen with livekit-server 1.13: 200 for a living session, 503 `unavailable` after three seconds where no node answers for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeAnswer {
    /// 200: its node carried out a call for it.
    Alive,
    /// 404: the node that holds the room does not have it.
    Gone,
    /// 503: no node answers for it.
    Unanswered,
}

/// The answer of a probe that was made because a list omits a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    pub sid: ParticipantSid,
    /// When the probe was made, by the store's clock.
    pub asked_at: StoreTime,
    pub answer: ProbeAnswer,
}

/// A session to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeTarget {
    pub sid: ParticipantSid,
    pub identity: Identity,
    /// When the last probe ended, if it failed.
    pub failed_at: Option<StoreTime>,
}

impl Room {
    /// Whom to ask now, most urgent first: those that failed, the suspects, then the others. Of those, everybody who has shown
    /// no life since one of them failed or was evicted: a crash takes many at once, and who answers is a witness that
    /// LiveKit does. In quiet times only the one that has shown none for longest. Only sessions that LiveKit lists are asked.
    pub fn to_probe(&self, now: StoreTime, rules: &Rules) -> Vec<ProbeTarget> {
        if !rules.can_probe {
            return Vec::new();
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
        match self.evicted_at.max(failed_at) {
            Some(doubted_at) if silent_since(doubted_at).next().is_some() => {
                doubtful.extend(silent_since(doubted_at).take(MAX_AT_ONCE));
            }
            Some(_) | None => doubtful.extend(silent_since(now - rules.probe_every).next()),
        }
        doubtful.into_iter().map(Session::as_target).collect()
    }
}

impl Session {
    fn is_doubtful(&self) -> bool {
        self.life.failures > 0 || self.standing != Standing::Present
    }

    /// One that failed is asked again at once, until it is evicted; then ever more rarely.
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
