//! What one step did to a room, as its clients see it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    counts::Counts,
    knowledge::Completeness,
    name::{Identity, ParticipantSid},
    participant::Participant,
    time::{HostTime, Version},
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

/// Collects what identities looked like before a step, to tell afterwards what changed.
///
/// Its cost depends on what the step touches, not on the size of the room.
#[derive(Debug, Default)]
pub struct ViewDiff {
    before: BTreeMap<Identity, Option<Participant>>,
}

impl ViewDiff {
    /// Records how `identity` looked before its first change; later calls for it do nothing.
    pub fn touch(&mut self, identity: &Identity, before: impl FnOnce() -> Option<Participant>) {
        if !self.before.contains_key(identity) {
            self.before.insert(identity.clone(), before());
        }
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

    /// What became of the touched identities, given how they look now: those that joined, changed, left; each in order of
    /// identity.
    pub fn finish(
        self,
        mut now: impl FnMut(&Identity) -> Option<Participant>,
    ) -> (Vec<Participant>, Vec<Participant>, Vec<Departure>) {
        let (mut joined, mut updated, mut left) = (Vec::new(), Vec::new(), Vec::new());
        for (identity, before) in self.before {
            match (before, now(&identity)) {
                (None, Some(after)) => joined.push(after),
                (Some(before), Some(after)) if before != after => updated.push(after),
                (Some(before), None) => left.push(Departure { sid: before.sid, identity }),
                (Some(_), Some(_)) | (None, None) => {}
            }
        }
        (joined, updated, left)
    }
}
