//! What is known of a room: whether its list is everybody, and whether people may be shown whom the store has lost.
//!
//! All rules about that are here. The rules of events and repairs say what happened, stores pass on what follows from it, and the
//! layers above ask whether a list is complete now.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{inside::Inside, time::StoreTime};

/// Whether a room's list is everybody. Clients see a list that is not complete now as `stale`, and its count as not `exact`.
///
/// Serializes to the time until which it is complete, in microseconds; zero stands for a partial one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoreTime", into = "StoreTime")]
pub enum Completeness {
    /// It has everybody: nothing was missed since the room's start or its last comparison. After `until` another webhook or
    /// comparison is needed, because the webhooks that would tell of a change may have been lost.
    Complete { until: StoreTime },
    /// It may lack people who are inside, or have people who are not.
    #[default]
    Partial,
}

/// What is known of a room.
///
/// "Lost" is a mark beside the completeness, not a third kind of it, because it ends in another way. A webhook can make a room
/// complete: the room started empty a moment ago. But no webhook tells what became of people whom the store lost and whom hubs
/// still show; only LiveKit's list does. So a room can be complete and lost. Then a hub that shows nobody else believes the room,
/// and one that shows others goes on showing them until a comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Spelled", into = "Spelled")]
pub struct Knowledge {
    completeness: Completeness,
    is_lost: bool,
}

impl Completeness {
    pub fn is_complete_at(self, now: StoreTime) -> bool {
        match self {
            Self::Complete { until } => now <= until,
            Self::Partial => false,
        }
    }

    /// Whether it is not complete, whatever the time.
    pub fn is_partial(self) -> bool {
        match self {
            Self::Complete { .. } => false,
            Self::Partial => true,
        }
    }

    /// The same for a room that is trusted longer, because it waits longer for its turn to be compared.
    #[must_use]
    pub fn trusted_longer(self, by: Duration) -> Self {
        match self {
            Self::Complete { until } => Self::Complete { until: until + by },
            Self::Partial => Self::Partial,
        }
    }
}

impl From<StoreTime> for Completeness {
    fn from(until: StoreTime) -> Self {
        if until == StoreTime::default() { Self::Partial } else { Self::Complete { until } }
    }
}

impl From<Completeness> for StoreTime {
    fn from(completeness: Completeness) -> Self {
        match completeness {
            Completeness::Complete { until } => until,
            Completeness::Partial => Self::default(),
        }
    }
}

/// What is known of a room that is not lost.
impl From<Completeness> for Knowledge {
    fn from(completeness: Completeness) -> Self {
        Self { completeness, is_lost: false }
    }
}

impl Knowledge {
    /// The store lost what it had acknowledged, or never had what hubs show.
    pub const LOST: Self = Self { completeness: Completeness::Partial, is_lost: true };

    /// Whether hubs may show people whom the store does not know, or knows no longer.
    pub fn is_lost(self) -> bool {
        self.is_lost
    }

    /// Whether the list is everybody, provided that nobody in it waits for a probe's answer.
    pub fn completeness(self) -> Completeness {
        self.completeness
    }

    /// Whether the list of a room with these people is everybody. It is not while somebody is undecided, and is again afterwards.
    pub(super) fn completeness_with(self, inside: &Inside) -> Completeness {
        if inside.is_decided() { self.completeness } else { Completeness::Partial }
    }

    /// For a hub: takes over what the store says of its list. A list with people whom the store lost stays lost.
    pub fn told(&mut self, completeness: Completeness) {
        if !self.is_lost {
            self.completeness = completeness;
        }
    }

    /// Before an event: a room that is no longer trusted becomes partial. The event says nothing of the people who were there
    /// before.
    pub(super) fn lapse(&mut self, now: StoreTime, extra_trust: Duration) {
        if !self.completeness.trusted_longer(extra_trust).is_complete_at(now) {
            self.completeness = Completeness::Partial;
        }
    }

    /// After an event: webhooks arrive, so a complete room stays complete for longer.
    pub(super) fn heard(&mut self, trusted_until: StoreTime) {
        if let Completeness::Complete { until } = &mut self.completeness {
            *until = trusted_until;
        }
    }

    /// The room started, so it is empty. If that ended a session, the room may be split over two nodes of LiveKit, and only a
    /// comparison tells.
    pub(super) fn started(&mut self, ended_somebody: bool, now: StoreTime) {
        self.completeness = match ended_somebody {
            true => Completeness::Partial,
            false => Completeness::Complete { until: now },
        };
    }

    /// The room is over, and nobody is in it.
    pub(super) fn finished(&mut self, now: StoreTime) {
        self.completeness = Completeness::Complete { until: now };
    }

    /// Something was missed, and perhaps more than what showed it.
    pub(super) fn missed_something(&mut self) {
        self.completeness = Completeness::Partial;
    }

    /// The room is in line with LiveKit's list. Returns whether it was lost. If so its version has to rise, because hubs may show
    /// another list under the same version.
    pub(super) fn compared(&mut self, trusted_until: StoreTime) -> bool {
        self.completeness = Completeness::Complete { until: trusted_until };
        std::mem::take(&mut self.is_lost)
    }

    /// The store has never held the room before this step. Unless the step told of everybody, hubs may show people whom it lacks.
    pub(super) fn first_known(&mut self) {
        if self.completeness.is_partial() {
            self.lose();
        }
    }

    /// The store lost what it had acknowledged.
    pub(super) fn lose(&mut self) {
        *self = Self::LOST;
    }
}

/// How a room's row spells it in format 1.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spelled {
    is_whole: bool,
    is_torn: bool,
    /// Has no meaning in a room that is not complete.
    trusted_until: StoreTime,
}

impl From<Spelled> for Knowledge {
    fn from(spelled: Spelled) -> Self {
        let Spelled { is_whole, is_torn, trusted_until } = spelled;
        let completeness = match is_whole {
            true => Completeness::Complete { until: trusted_until },
            false => Completeness::Partial,
        };
        Self { completeness, is_lost: is_torn }
    }
}

impl From<Knowledge> for Spelled {
    fn from(Knowledge { completeness, is_lost }: Knowledge) -> Self {
        Self {
            is_whole: !completeness.is_partial(),
            is_torn: is_lost,
            trusted_until: completeness.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTIAL: Knowledge = Knowledge { completeness: Completeness::Partial, is_lost: false };

    const fn secs(secs: u64) -> StoreTime {
        StoreTime::from_millis(secs * 1000)
    }

    const fn until(until: u64) -> Completeness {
        Completeness::Complete { until: secs(until) }
    }

    const fn complete(until_secs: u64) -> Knowledge {
        Knowledge { completeness: until(until_secs), is_lost: false }
    }

    const fn complete_and_lost(until_secs: u64) -> Knowledge {
        Knowledge { completeness: until(until_secs), is_lost: true }
    }

    /// What is known after a step, for a complete room, a partial, a lost, and one that is complete and lost.
    fn after(step: impl Fn(&mut Knowledge)) -> [Knowledge; 4] {
        [complete(100), PARTIAL, Knowledge::LOST, complete_and_lost(100)].map(|mut known| {
            step(&mut known);
            known
        })
    }

    #[test]
    fn an_event_leaves_a_room_complete_only_if_it_comes_in_time() {
        let (complete, partial, lost) = (complete(160), PARTIAL, Knowledge::LOST);
        let complete_and_lost = complete_and_lost(160);
        for (what, at_secs, longer_secs, expected) in [
            ("in time", 100, 0, [complete, partial, lost, complete_and_lost]),
            ("when the room is no longer trusted", 101, 0, [partial, partial, lost, lost]),
            (
                "while rooms are trusted longer",
                110,
                10,
                [complete, partial, lost, complete_and_lost],
            ),
        ] {
            let known = after(|known| {
                known.lapse(secs(at_secs), Duration::from_secs(longer_secs));
                known.heard(secs(160));
            });
            assert_eq!(known, expected, "an event comes {what}");
        }
    }

    #[test]
    fn a_start_an_end_and_a_comparison_make_a_room_complete_and_other_things_do_not() {
        let (complete, partial, lost) = (complete(160), PARTIAL, Knowledge::LOST);
        let complete_and_lost = complete_and_lost(160);
        let empties_it = [complete, complete, complete_and_lost, complete_and_lost];
        let first_known = |known: &mut Knowledge| {
            known.first_known();
            known.heard(secs(160));
        };
        for (what, known, expected) in [
            ("it starts empty", after(|known| known.started(false, secs(160))), empties_it),
            (
                "it starts with somebody inside",
                after(|known| known.started(true, secs(160))),
                [partial, partial, lost, lost],
            ),
            ("it ends", after(|known| known.finished(secs(160))), empties_it),
            (
                "something was missed",
                after(Knowledge::missed_something),
                [partial, partial, lost, lost],
            ),
            (
                "it is compared",
                after(|known| {
                    known.compared(secs(160));
                }),
                [complete; 4],
            ),
            ("the store loses it", after(Knowledge::lose), [lost; 4]),
            (
                "the store never held it before",
                after(first_known),
                [complete, lost, lost, complete_and_lost],
            ),
        ] {
            assert_eq!(known, expected, "{what}");
        }
    }

    #[test]
    fn only_a_comparison_ends_a_loss_and_says_that_it_did() {
        let ends_a_loss = |mut known: Knowledge| known.compared(secs(160));
        for (known, expected) in [
            (PARTIAL, false),
            (complete(100), false),
            (Knowledge::LOST, true),
            (complete_and_lost(100), true),
        ] {
            assert_eq!(ends_a_loss(known), expected, "{known:?}");
        }
    }

    #[test]
    fn a_list_is_complete_until_its_time_and_for_as_much_longer_as_rooms_are_trusted() {
        for (completeness, longer_secs, now, expected) in [
            (until(100), 0, 99, true),
            (until(100), 0, 100, true),
            (until(100), 0, 101, false),
            (until(100), 10, 110, true),
            (until(100), 10, 111, false),
            (Completeness::Partial, 0, 0, false),
            (Completeness::Partial, 10, 5, false),
        ] {
            let trusted = completeness.trusted_longer(Duration::from_secs(longer_secs));
            let place = format!("{completeness:?}, {longer_secs} s longer, at {now} s");
            assert_eq!(trusted.is_complete_at(secs(now)), expected, "{place}");
        }
    }

    #[test]
    fn a_room_is_not_complete_while_somebody_in_it_waits_for_an_answer() {
        let inside = |json| serde_json::from_str::<Inside>(json).unwrap();
        let (decided, undecided) = (inside("{}"), inside(r#"{"undecided":1}"#));
        for known in [complete(100), complete_and_lost(100)] {
            assert_eq!(known.completeness_with(&undecided), Completeness::Partial);
            assert_eq!(known.completeness_with(&decided), until(100), "it was all along");
        }
    }

    #[test]
    fn a_list_with_people_whom_the_store_lost_is_not_complete_whatever_the_store_says_of_its_own() {
        for (shown, expected) in [
            (complete(100), complete(160)),
            (PARTIAL, complete(160)),
            (Knowledge::LOST, Knowledge::LOST),
        ] {
            let mut known = shown;
            known.told(until(160));
            assert_eq!(known, expected, "{shown:?}");
        }
    }

    // Rows of format 1, changes, and lists of rooms, as earlier releases write them.
    #[test]
    fn it_is_written_as_before_and_what_was_written_before_is_read() {
        for (json, known) in [
            (r#"{"isWhole":true,"isTorn":false,"trustedUntil":100000000}"#, complete(100)),
            (r#"{"isWhole":false,"isTorn":false,"trustedUntil":0}"#, PARTIAL),
            (r#"{"isWhole":false,"isTorn":true,"trustedUntil":0}"#, Knowledge::LOST),
            (r#"{"isWhole":true,"isTorn":true,"trustedUntil":100000000}"#, complete_and_lost(100)),
        ] {
            assert_eq!(serde_json::to_string(&known).unwrap(), json);
            assert_eq!(serde_json::from_str::<Knowledge>(json).unwrap(), known);
        }
        let partial = r#"{"isWhole":false,"isTorn":false,"trustedUntil":100000000}"#;
        assert_eq!(serde_json::from_str::<Knowledge>(partial).unwrap(), PARTIAL);
        for (json, completeness) in [("100000000", until(100)), ("0", Completeness::Partial)] {
            assert_eq!(serde_json::to_string(&completeness).unwrap(), json);
            assert_eq!(serde_json::from_str::<Completeness>(json).unwrap(), completeness);
        }
    }
}
