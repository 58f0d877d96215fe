//! Whether the people of a room differ from those whom LiveKit keeps for longer than webhooks are on their way.
//!
//! Pure: callers pass the time. LiveKit keeps somebody before it sends their webhook, so a reading often is ahead of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use crate::presence::Differing;

/// Most webhooks have come by then, and the room is read again.
const FIRST_LOOK: Duration = Duration::from_millis(100);
/// A webhook that has not come by then is lost, or LiveKit repeats it.
const LOST_AFTER: Duration = Duration::from_secs(2);
/// The same of a leave. It may be shorter: a comparison asks LiveKit about the session before it removes anybody, which takes three
/// seconds more if the session is gone.
const LEAVE_LOST_AFTER: Duration = Duration::from_millis(500);
/// Where more leave at once, as when a room ends, their webhooks come one after the other, and have the usual time.
const MAX_LEAVES_AT_ONCE: usize = 16;

/// The sessions of a room that differ.
#[derive(Debug, Default)]
pub struct Doubt {
    /// Since when, and whether a comparison was asked for. A session that the comparison added may be gone by the next reading,
    /// which is another difference.
    sessions: BTreeMap<Differing, (Instant, bool)>,
}

/// What follows from a reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NextLook {
    /// A webhook was lost: a comparison has to tell.
    pub compare: bool,
    /// When to read the room again; none if a comparison was asked for about everybody who differs.
    pub at: Option<Instant>,
}

impl Doubt {
    /// Notes who differs in a reading.
    pub fn differ(&mut self, differing: &BTreeSet<Differing>, now: Instant) -> NextLook {
        self.sessions.retain(|session, _| differing.contains(session));
        for session in differing {
            self.sessions.entry(session.clone()).or_insert((now, false));
        }
        let leaves =
            self.sessions.keys().filter(|session| matches!(session, Differing::NotKept(_)));
        let has_few_leaves = leaves.count() <= MAX_LEAVES_AT_ONCE;
        let mut next = NextLook::default();
        let untold = self.sessions.iter_mut().filter(|(_, (_, is_told))| !is_told);
        for (session, (since, is_told)) in untold {
            let lost_at = *since
                + match session {
                    Differing::NotKept(_) if has_few_leaves => LEAVE_LOST_AFTER,
                    Differing::NotKept(_) | Differing::NotHeld(_) => LOST_AFTER,
                };
            if now >= lost_at {
                (*is_told, next.compare) = (true, true);
                continue;
            }
            let first_look = *since + FIRST_LOOK;
            let at = if now < first_look { first_look } else { lost_at };
            next.at = Some(next.at.map_or(at, |other| other.min(at)));
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use crate::presence::ParticipantSid;

    use super::*;

    fn differing(sids: &[&str]) -> BTreeSet<Differing> {
        sids.iter().map(|sid| Differing::NotHeld(ParticipantSid::new(*sid))).collect()
    }

    #[test]
    fn who_was_added_by_the_comparison_and_is_gone_by_the_next_reading_is_doubted_anew() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut doubt = Doubt::default();
        doubt.differ(&differing(&["PA_1"]), at(0));
        assert!(doubt.differ(&differing(&["PA_1"]), at(2_000)).compare);
        let gone = BTreeSet::from([Differing::NotKept(ParticipantSid::new("PA_1"))]);
        let look_again = NextLook { compare: false, at: Some(at(2_200)) };
        assert_eq!(doubt.differ(&gone, at(2_100)), look_again);
        assert!(doubt.differ(&gone, at(2_600)).compare);
    }

    #[test]
    fn a_leave_that_does_not_come_within_half_a_second_is_lost_unless_many_leave() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let look_again = |millis| NextLook { compare: false, at: Some(at(millis)) };
        let gone = |count: usize| -> BTreeSet<_> {
            let sids = (0..count).map(|number| ParticipantSid::new(format!("PA_{number}")));
            sids.map(Differing::NotKept).collect()
        };
        let (mut few, mut many) = (Doubt::default(), Doubt::default());
        for (millis, of_few, of_many) in [
            (0, look_again(100), look_again(100)),
            (100, look_again(500), look_again(2_000)),
            (499, look_again(500), look_again(2_000)),
            (500, NextLook { compare: true, at: None }, look_again(2_000)),
            (2_000, NextLook::default(), NextLook { compare: true, at: None }),
        ] {
            assert_eq!(few.differ(&gone(16), at(millis)), of_few, "{millis}");
            assert_eq!(many.differ(&gone(17), at(millis)), of_many, "{millis}");
        }
    }

    #[test]
    fn a_webhook_that_does_not_come_within_two_seconds_is_lost() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let look_again = |millis| NextLook { compare: false, at: Some(at(millis)) };
        let mut doubt = Doubt::default();
        let bob = differing(&["PA_1"]);
        for (millis, expected) in [
            (0, look_again(100)),
            (50, look_again(100)),
            (100, look_again(2_000)),
            (1_999, look_again(2_000)),
            (2_000, NextLook { compare: true, at: None }),
            (2_100, NextLook::default()),
        ] {
            assert_eq!(doubt.differ(&bob, at(millis)), expected, "{millis}");
        }
        assert_eq!(doubt.differ(&differing(&[]), at(9_000)), NextLook::default());
        assert_eq!(doubt.differ(&bob, at(9_001)), look_again(9_101), "anew");
    }

    #[test]
    fn each_session_has_its_own_time_and_others_that_come_and_go_do_not_put_it_off() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut doubt = Doubt::default();
        doubt.differ(&differing(&["PA_1"]), at(0));
        for number in 1..20 {
            let other = format!("PA_other_{number}");
            let told = doubt.differ(&differing(&["PA_1", &other]), at(number * 100));
            assert!(!told.compare, "{number}");
        }
        let told = doubt.differ(&differing(&["PA_1", "PA_2"]), at(2_000));
        assert_eq!(told, NextLook { compare: true, at: Some(at(2_100)) }, "the other one is new");
    }
}
