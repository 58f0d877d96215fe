//! What one step did to a room, as its clients see it.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::{
    counts::Counts,
    knowledge::Completeness,
    name::{Identity, ParticipantSid},
    participant::Participant,
    time::{HostTime, StoreTime, Version},
    transition::{Ending, Entrance, Transition},
};

/// The difference between two successive lists of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The version this change builds on. A follower that holds another one must read the room again.
    pub prev: Version,
    pub version: Version,
    /// Whether the list is everybody after this change.
    #[serde(rename = "confirmed_until")]
    pub completeness: Completeness,
    /// Whether hubs may still show people whom the store does not know. If not, this change ends that, if nothing else did.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_lost: bool,
    pub joined: Vec<Participant>,
    /// The same identity, with anything different, its session included.
    pub updated: Vec<Participant>,
    pub left: Vec<Departure>,
    /// When the webhook behind it arrived, by the clock of the instance that took it. For measurements only.
    pub received_at: Option<HostTime>,
}

/// Somebody who is no longer in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departure {
    pub sid: ParticipantSid,
    pub identity: Identity,
}

/// What became of the identities that a step touched, each in order of identity.
#[derive(Debug, Default)]
pub struct Difference {
    pub joined: Vec<Participant>,
    pub updated: Vec<Participant>,
    pub left: Vec<Departure>,
    /// The same by session. Where one session replaces another of the same identity, the old one leaves before the new one joins.
    pub transitions: Vec<Transition>,
}

/// Collects what identities looked like before a step, to tell afterwards what changed.
///
/// Its cost depends on what the step touches, not on the size of the room.
#[derive(Debug, Default)]
pub struct ViewDiff {
    before: BTreeMap<Identity, Option<Participant>>,
    /// Why sessions are not shown any more, of those that this step ended.
    endings: HashMap<ParticipantSid, Ending>,
    /// Sessions that were hidden before, and why they are shown.
    revealed: HashMap<ParticipantSid, Entrance>,
}

impl ViewDiff {
    /// Records how `identity` looked before its first change; later calls for it do nothing.
    pub fn touch(&mut self, identity: &Identity, before: impl FnOnce() -> Option<Participant>) {
        if !self.before.contains_key(identity) {
            self.before.insert(identity.clone(), before());
        }
    }

    /// Records why a session ends. The last reason counts.
    pub fn ended(&mut self, sid: &ParticipantSid, ending: Ending) {
        self.endings.insert(sid.clone(), ending);
    }

    /// Those whom a crash ended were there as long as one of them showed life, and while a webhook told of the room: one node had
    /// them all. The last webhook came at `heard_at`.
    pub fn restarted(&mut self, heard_at: StoreTime) {
        let last_sign = self.endings.values().filter_map(|ending| match ending {
            Ending::Restarted { last_sign } => Some(*last_sign),
            _ => None,
        });
        let Some(last_sign) = last_sign.max() else { return };
        let last_sign = last_sign.max(heard_at);
        for ending in self.endings.values_mut() {
            *ending = Ending::Restarted { last_sign };
        }
    }

    /// Records that clients may see a session that was hidden.
    pub fn revealed(&mut self, sid: &ParticipantSid, entrance: Entrance) {
        self.revealed.insert(sid.clone(), entrance);
    }

    pub fn is_empty(&self) -> bool {
        self.before.is_empty()
    }

    pub fn touched(&self) -> impl Iterator<Item = &Identity> {
        self.before.keys()
    }

    /// The counts of the touched identities as they were before.
    pub fn counts_before(&self) -> Counts {
        Counts::of(self.before.values().flatten())
    }

    /// What became of the touched identities, given how they look now.
    pub fn finish(self, mut now: impl FnMut(&Identity) -> Option<Participant>) -> Difference {
        let mut difference = Difference::default();
        let Difference { joined, updated, left, transitions } = &mut difference;
        let (endings, revealed) = (self.endings, self.revealed);
        let gone = |before: Participant, otherwise| {
            let ending = endings.get(&before.sid).copied().unwrap_or(otherwise);
            Transition::Left(before, ending)
        };
        let shown = |after: &Participant| {
            let entrance = revealed.get(&after.sid).copied().unwrap_or(Entrance::Joined);
            Transition::Joined(after.clone(), entrance)
        };
        for (identity, before) in self.before {
            match (before, now(&identity)) {
                (None, Some(after)) => {
                    transitions.push(shown(&after));
                    joined.push(after);
                }
                (Some(before), Some(after)) if before != after => {
                    if before.sid != after.sid {
                        // It is held, but a newer one is there.
                        transitions.push(gone(before, Ending::Superseded));
                        transitions.push(shown(&after));
                    }
                    updated.push(after);
                }
                (Some(before), None) => {
                    left.push(Departure { sid: before.sid.clone(), identity });
                    // It is held, and may not be shown.
                    transitions.push(gone(before, Ending::Hidden));
                }
                (Some(_), Some(_)) | (None, None) => {}
            }
        }
        difference
    }
}
