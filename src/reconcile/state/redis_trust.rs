//! Whether the Redis in `livekit.redis_url` is that of the LiveKit in `livekit.url`. Another LiveKit's would show its people here.
//!
//! Pure: callers pass the time. Sids are random, so whoever names one of LiveKit's sessions knows it from this LiveKit. Until one of
//! those whom webhooks or the API name is found in Redis, nobody is added or missed by what it says.

use std::time::{Duration, Instant};

use crate::presence::{ParticipantSid, SessionInfo, SessionState};

/// After this many of the API's lists of which Redis knows nobody it is another LiveKit's. One or two may be people who have just
/// left.
const ENOUGH_MISSING: u32 = 3;
/// It is not read for this long then.
const UNUSED_FOR: Duration = Duration::from_hours(1);

/// What is known of the Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisTrust {
    /// So far it had nobody whom this LiveKit named. So many lists of the API had people whom it does not know.
    Open {
        missing: u32,
    },
    Ours,
    Anothers {
        until: Instant,
    },
}

impl Default for RedisTrust {
    fn default() -> Self {
        Self::Open { missing: 0 }
    }
}

impl RedisTrust {
    /// Whether it may be read, to describe people or to find out whose it is.
    pub fn may_read(&mut self, now: Instant) -> bool {
        match self {
            Self::Anothers { until } if *until > now => false,
            Self::Anothers { .. } => {
                *self = Self::default();
                true
            }
            Self::Open { .. } | Self::Ours => true,
        }
    }

    pub fn is_ours(self) -> bool {
        self == Self::Ours
    }

    /// It names somebody whom this LiveKit's webhooks named.
    pub fn names_ours(&mut self) {
        *self = Self::Ours;
    }

    /// The API listed these people of a room, and Redis, read after that, has those. Returns whether that shows, for the first
    /// time, that it is another LiveKit's.
    pub fn compared(
        &mut self,
        listed: &[SessionInfo],
        kept: &[ParticipantSid],
        now: Instant,
    ) -> bool {
        let Self::Open { missing } = self else { return false };
        let mut inside = listed.iter().filter(|info| info.state == SessionState::Active).peekable();
        if inside.peek().is_none() {
            return false;
        }
        if inside.any(|info| kept.contains(&info.sid)) {
            *self = Self::Ours;
            return false;
        }
        *missing += 1;
        let is_enough = *missing >= ENOUGH_MISSING;
        if is_enough {
            *self = Self::Anothers { until: now + UNUSED_FOR };
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
    fn a_redis_that_has_none_of_the_people_of_three_lists_is_anothers_for_an_hour() {
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
        assert_eq!(trust, RedisTrust::Open { missing: 0 });
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
}
