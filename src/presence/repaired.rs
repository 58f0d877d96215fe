//! What repairs did to a room, and how many of each kind.

use super::change::Change;

/// What repairs did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Nothing was done, because the room started, finished, or was lost since they were computed.
    pub is_refused: bool,
    pub change: Option<Change>,
    pub counts: RepairCounts,
    /// It was found that the room has ended, which no webhook had said.
    pub found_ended: bool,
}

/// How many repairs of each kind took effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RepairCounts {
    /// Somebody whose `participant_joined` was missed.
    pub added: usize,
    /// Listed, and doubted: hidden until a liveness probe succeeds.
    pub suspected: usize,
    /// Somebody who was shown with another session before.
    pub replaced: usize,
    pub updated: usize,
    /// Somebody whose `participant_left` was missed.
    pub removed: usize,
    /// Ghosts of a crashed LiveKit.
    pub evicted: usize,
    /// Suspects and ghosts that turned out to be alive.
    pub reinstated: usize,
    /// Only remembered, such as a first absence or the answer of a probe.
    pub noted: usize,
    /// They no longer held when their turn came.
    pub outdated: usize,
}

/// What became of one repair.
#[derive(Clone, Copy)]
pub(super) enum Effect {
    Added,
    Replaced,
    Suspected,
    Updated,
    Removed,
    Evicted,
    Reinstated,
    /// Only remembered.
    Noted,
    Outdated,
}

impl RepairCounts {
    /// Whether something was wrong that is right now.
    pub fn has_mended(&self) -> bool {
        let Self {
            added,
            suspected,
            replaced,
            updated,
            removed,
            evicted,
            reinstated,
            noted: _,
            outdated: _,
        } = self;
        [added, suspected, replaced, updated, removed, evicted, reinstated]
            .into_iter()
            .any(|count| *count > 0)
    }

    /// Adds what further repairs did.
    pub fn add(&mut self, more: Self) {
        let Self {
            added,
            suspected,
            replaced,
            updated,
            removed,
            evicted,
            reinstated,
            noted,
            outdated,
        } = more;
        self.added += added;
        self.suspected += suspected;
        self.replaced += replaced;
        self.updated += updated;
        self.removed += removed;
        self.evicted += evicted;
        self.reinstated += reinstated;
        self.noted += noted;
        self.outdated += outdated;
    }

    pub(super) fn of(&mut self, effect: Effect) -> &mut usize {
        match effect {
            Effect::Added => &mut self.added,
            Effect::Replaced => &mut self.replaced,
            Effect::Suspected => &mut self.suspected,
            Effect::Updated => &mut self.updated,
            Effect::Removed => &mut self.removed,
            Effect::Evicted => &mut self.evicted,
            Effect::Reinstated => &mut self.reinstated,
            Effect::Noted => &mut self.noted,
            Effect::Outdated => &mut self.outdated,
        }
    }
}
