//! Whether the Redis in `livekit.redis_url` is that of the LiveKit in `livekit.url`. Another LiveKit's would show its people here.
//!
//! Pure: callers pass the time. Sids are random, so whoever names one of LiveKit's sessions knows it from this LiveKit. Until one of
//! those whom webhooks or the API name is found in Redis, nobody is added or missed by what it says. LiveKit may also be moved to
//! another Redis: the one here goes on naming the people of before then, and lacks those who come (`RedisLacks`). So once it is
//! doubted, only somebody of whom a webhook has told since speaks for it, or the newest of a list of the API.

use std::time::{Duration, Instant};

use crate::presence::{ParticipantSid, SessionInfo, SessionState, StoreTime};

use super::redis_lacks::RedisLacks;

/// After this many of the API's lists whose newest person Redis does not know it is another LiveKit's. One or two may be people who
/// have just left.
const ENOUGH_MISSING: u32 = 3;
/// It is not read for this long then.
const UNUSED_FOR: Duration = Duration::from_hours(1);

/// What is known of the Redis.
#[derive(Debug, Default)]
pub struct RedisTrust {
    whose: Whose,
    lacks: RedisLacks,
    /// Since when it is doubted. Webhooks of before prove nothing.
    doubted_at: StoreTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// So far, or since it was doubted, it had nobody whom this LiveKit named. So many lists of the API had people whom it does not know.
    Open {
        missing: u32,
    },
    Ours,
    Anothers {
        until: Instant,
    },
}

impl Default for Whose {
    fn default() -> Self {
        Self::Open { missing: 0 }
    }
}

impl RedisTrust {
    /// Whether it may be read, to describe people or to find out whose it is.
    pub fn may_read(&mut self, now: Instant) -> bool {
        match self.whose {
            Whose::Anothers { until } if until > now => false,
            Whose::Anothers { .. } => {
                self.whose = Whose::default();
                true
            }
            Whose::Open { .. } | Whose::Ours => true,
        }
    }

    pub fn is_ours(&self) -> bool {
        self.whose == Whose::Ours
    }

    /// From when on a webhook must have told of somebody whom Redis names, to speak for it. None if nothing speaks against it.
    pub fn wants_proof_since(&self) -> Option<StoreTime> {
        match self.whose {
            Whose::Open { .. } | Whose::Anothers { .. } => Some(self.doubted_at),
            Whose::Ours => self.lacks.since(),
        }
    }

    /// It names somebody of whom this LiveKit's webhooks told, since proof was wanted.
    pub fn names_ours(&mut self) {
        self.whose = Whose::Ours;
        self.lacks.found();
    }

    /// LiveKit says that these people live, and Redis does not have them: a list that was asked for at `asked_at` missed them, and so
    /// did a reading after that. Returns whether that makes it doubtful whose it is.
    pub fn lacks(&mut self, living: &[ParticipantSid], asked_at: StoreTime, now: Instant) -> bool {
        let since = self.lacks.since().unwrap_or(asked_at);
        let is_doubtful = self.is_ours() && self.lacks.add(living, asked_at, now);
        if is_doubtful {
            self.whose = Whose::default();
            self.doubted_at = since;
        }
        is_doubtful
    }

    /// Whether further lists of the API should tell soon whose it is: it was doubted, and a list has spoken against it.
    pub fn wants_lists(&self) -> bool {
        let has_missing = matches!(self.whose, Whose::Open { missing } if missing > 0);
        has_missing && self.doubted_at > StoreTime::default()
    }

    /// The API listed these people of a room, and Redis, read after that, has those. Returns whether that shows, for the first
    /// time, that it is another LiveKit's.
    pub fn compared(
        &mut self,
        listed: &[SessionInfo],
        kept: &[ParticipantSid],
        now: Instant,
    ) -> bool {
        let Whose::Open { missing } = &mut self.whose else { return false };
        let inside = listed.iter().filter(|info| info.state == SessionState::Active);
        let Some(newest) = inside.max_by_key(|info| info.joined_at) else { return false };
        if kept.contains(&newest.sid) {
            self.names_ours();
            return false;
        }
        *missing += 1;
        let is_enough = *missing >= ENOUGH_MISSING;
        if is_enough {
            self.whose = Whose::Anothers { until: now + UNUSED_FOR };
        }
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::presence::{Identity, LiveKitTime, Profile};

    fn listed(sid: &str, state: SessionState) -> SessionInfo {
        SessionInfo {
            sid: ParticipantSid::new(sid),
            identity: Identity::new(sid),
            state,
            joined_at: LiveKitTime::default(),
            version: 2,
            hidden: false,
            recorder: false,
            profile: Arc::new(Profile::default()),
            tracks: Vec::new(),
        }
    }

    #[test]
    fn a_redis_that_does_not_have_the_newest_of_three_lists_is_anothers_for_an_hour() {
        let start = Instant::now();
        let alice = [listed("PA_1", SessionState::Active)];
        let others = [ParticipantSid::new("PA_other")];
        let mut trust = RedisTrust::default();
        assert!(!trust.compared(&[], &others, start), "an empty list says nothing");
        assert!(!trust.compared(&[listed("PA_2", SessionState::Connecting)], &[], start));
        let told: Vec<_> = (0..5).map(|_| trust.compared(&alice, &others, start)).collect();
        assert_eq!(told, [false, false, true, false, false], "it is said once");
        assert!(!trust.is_ours() && !trust.may_read(start + Duration::from_mins(59)));
        assert!(trust.may_read(start + Duration::from_hours(1)));
        assert!(!trust.is_ours());
    }

    #[test]
    fn a_redis_that_has_one_of_them_is_ours_and_stays_it() {
        let start = Instant::now();
        let alice = [listed("PA_1", SessionState::Active)];
        let mut trust = RedisTrust::default();
        assert!(!trust.is_ours());
        trust.compared(&alice, &[], start);
        trust.compared(&alice, &[ParticipantSid::new("PA_1")], start);
        assert!(trust.is_ours());
        assert!((0..9).all(|_| !trust.compared(&alice, &[], start)));
        assert!(trust.is_ours(), "who is missing later has left, or is a ghost");
        let mut trust = RedisTrust::default();
        trust.names_ours();
        assert!(trust.is_ours() && trust.may_read(start));
    }

    /// LiveKit was moved to another Redis: this one still has alice.
    fn doubted(start: Instant) -> RedisTrust {
        let mut trust = RedisTrust::default();
        trust.names_ours();
        let living = ["PA_2", "PA_3", "PA_4"].map(ParticipantSid::new);
        assert!(!trust.lacks(&living[..2], StoreTime::default() + Duration::from_secs(5), start));
        assert!(trust.is_ours());
        assert!(trust.lacks(&living[2..], StoreTime::default() + Duration::from_secs(9), start));
        trust
    }

    #[test]
    fn one_that_lacks_people_who_live_is_doubted_and_older_webhooks_do_not_speak_for_it() {
        let start = Instant::now();
        let mut trust = doubted(start);
        assert!(!trust.is_ours() && trust.may_read(start));
        let since_the_first = Some(StoreTime::default() + Duration::from_secs(5));
        assert_eq!(trust.wants_proof_since(), since_the_first);
        let listed = [listed("PA_1", SessionState::Active), newest("PA_2")];
        let kept = [ParticipantSid::new("PA_1")];
        let told: Vec<_> = (0..3).map(|_| trust.compared(&listed, &kept, start)).collect();
        assert_eq!(told, [false, false, true], "a ghost in both is no proof");
        assert!(trust.may_read(start + Duration::from_hours(1)));
        assert_eq!(trust.wants_proof_since(), since_the_first);
    }

    #[test]
    fn one_that_was_doubted_wrongly_is_believed_again() {
        let start = Instant::now();
        let mut trust = doubted(start);
        trust.compared(&[newest("PA_2")], &[ParticipantSid::new("PA_2")], start);
        assert!(trust.is_ours());
        assert_eq!(trust.wants_proof_since(), None);
        let mut trust = doubted(start);
        trust.names_ours();
        assert!(trust.is_ours());
    }

    fn newest(sid: &str) -> SessionInfo {
        SessionInfo { joined_at: LiveKitTime::from_millis(9), ..listed(sid, SessionState::Active) }
    }
}
