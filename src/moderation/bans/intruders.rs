//! The banned people who are inside, as far as this instance was told, and whether it has LiveKit remove them. Asks nobody.
//!
//! LiveKit removes by identity, so one removal of a person goes on at a time, with all sessions that wait when it begins. This also
//! bounds what somebody who connects again and again takes of the memory and of the queue.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use crate::presence::{Identity, ParticipantSid, RoomName};

/// Sessions of one person that wait, and that were removed a moment ago. LiveKit has one session of an identity inside, the newest:
/// the oldest are forgotten.
const MAX_SESSIONS: usize = 16;

/// A banned person who is inside.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Intruder {
    pub room: RoomName,
    pub identity: Identity,
}

/// The banned people who are inside.
#[derive(Debug)]
pub(super) struct Intruders {
    /// A session that was removed is remembered for this long, and not removed again.
    remembered_for: Duration,
    sessions: Mutex<HashMap<Intruder, Sessions>>,
}

#[derive(Debug, Default)]
struct Sessions {
    waiting: VecDeque<ParticipantSid>,
    removed: VecDeque<(ParticipantSid, Instant)>,
    /// Somebody removes this person, and looks whether more sessions wait before they stop.
    is_handled: bool,
}

impl Intruders {
    pub fn new(remembered_for: Duration) -> Self {
        Self { remembered_for, sessions: Mutex::default() }
    }

    /// Notes that sessions of a person are inside. True if the caller has to have them removed; then one of the methods below has
    /// to be called until it returns false.
    pub fn entered(&self, intruder: &Intruder, inside: &[ParticipantSid]) -> bool {
        let mut all = self.lock();
        all.retain(|_, sessions| sessions.is_needed(self.remembered_for));
        let sessions = all.entry(intruder.clone()).or_default();
        let mut is_news = inside.is_empty();
        for sid in inside {
            is_news |= sessions.enters(sid);
        }
        is_news && !std::mem::replace(&mut sessions.is_handled, true)
    }

    /// The sessions of a person that wait.
    pub fn waiting(&self, intruder: &Intruder) -> Vec<ParticipantSid> {
        let all = self.lock();
        let sessions = all.get(intruder).map(|sessions| sessions.waiting.iter().cloned());
        sessions.into_iter().flatten().collect()
    }

    /// These sessions were removed. Returns whether others wait, for which the caller has to see to it again.
    pub fn removed(&self, intruder: &Intruder, sids: &[ParticipantSid]) -> bool {
        self.settle(intruder, sids, Some(Instant::now()))
    }

    /// These sessions do not wait any more. Returns whether others do, for which the caller has to see to it again.
    pub fn forget(&self, intruder: &Intruder, sids: &[ParticipantSid]) -> bool {
        self.settle(intruder, sids, None)
    }

    fn settle(
        &self,
        intruder: &Intruder,
        sids: &[ParticipantSid],
        removed_at: Option<Instant>,
    ) -> bool {
        let mut all = self.lock();
        let Some(sessions) = all.get_mut(intruder) else { return false };
        sessions.waiting.retain(|waiting| !sids.contains(waiting));
        if let Some(at) = removed_at {
            sessions.removed.extend(sids.iter().map(|sid| (sid.clone(), at)));
            let excess = sessions.removed.len().saturating_sub(MAX_SESSIONS);
            sessions.removed.drain(..excess);
        }
        sessions.is_handled = !sessions.waiting.is_empty();
        sessions.is_handled
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Intruder, Sessions>> {
        self.sessions.lock().expect("never held in a panic")
    }
}

impl Sessions {
    /// False if it waits already, or has just been removed.
    fn enters(&mut self, sid: &ParticipantSid) -> bool {
        let is_removed = self.removed.iter().any(|(removed, _)| removed == sid);
        if is_removed || self.waiting.contains(sid) {
            return false;
        }
        if self.waiting.len() == MAX_SESSIONS {
            self.waiting.pop_front();
        }
        self.waiting.push_back(sid.clone());
        true
    }

    fn is_needed(&mut self, remembered_for: Duration) -> bool {
        self.removed.retain(|(_, at)| at.elapsed() < remembered_for);
        self.is_handled || !self.removed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bob() -> Intruder {
        Intruder { room: RoomName::parse("general").unwrap(), identity: Identity::new("bob") }
    }

    fn sids(range: std::ops::Range<usize>) -> Vec<ParticipantSid> {
        range.map(|one| ParticipantSid::new(format!("PA_{one}"))).collect()
    }

    #[test]
    fn one_removal_of_a_person_goes_on_and_takes_those_who_came_meanwhile() {
        let intruders = Intruders::new(Duration::from_mins(1));
        assert!(intruders.entered(&bob(), &sids(0..1)));
        assert!(!intruders.entered(&bob(), &sids(0..1)), "the same session");
        assert!(!intruders.entered(&bob(), &sids(1..3)), "it goes on");
        let other = Intruder { identity: Identity::new("mallory"), ..bob() };
        assert!(intruders.entered(&other, &sids(0..1)), "each has their own");
        assert!(intruders.removed(&bob(), &sids(0..1)), "two others wait");
        assert_eq!(intruders.waiting(&bob()), sids(1..3));
        assert!(!intruders.forget(&bob(), &sids(1..3)));
        assert!(!intruders.entered(&bob(), &sids(0..1)), "removed a moment ago");
        assert!(intruders.entered(&bob(), &sids(1..2)), "not removed, and inside again");
    }

    #[test]
    fn memory_is_bounded_however_often_somebody_comes() {
        let intruders = Intruders::new(Duration::from_mins(1));
        for round in 0..1_000 {
            intruders.entered(&bob(), &sids(round..round + 1));
        }
        assert_eq!(intruders.waiting(&bob()), sids(984..1_000), "the newest are inside");
        assert!(!intruders.removed(&bob(), &sids(0..1_000)));
        assert_eq!(intruders.lock()[&bob()].removed.len(), MAX_SESSIONS);
        let intruders = Intruders::new(Duration::ZERO);
        assert!(intruders.entered(&bob(), &sids(0..1)));
        assert!(!intruders.removed(&bob(), &sids(0..1)));
        let other = Intruder { identity: Identity::new("mallory"), ..bob() };
        intruders.entered(&other, &sids(0..1));
        assert_eq!(intruders.lock().len(), 1, "who was removed a while ago is forgotten");
    }
}
