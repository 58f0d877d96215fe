//! How many are in a room: the numbers of its list, and how a room keeps them from step to step without looking through it.

use serde::{Deserialize, Serialize};

use super::participant::Participant;

/// Rooms with at most this many participants are read as a whole by the next event if their row, which an older release has
/// written, lacks some of the counts. Larger ones have everybody counted by the next comparison.
pub(super) const MAX_COUNTED_BY_EVENT: usize = 200;

/// The numbers of a list. Hidden participants, recorders and egress are in no list, and so in none of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that are no agents.
    pub people: usize,
    pub agents: usize,
    /// People who publish a track.
    pub publishers: usize,
}

impl Counts {
    pub fn of<'list>(list: impl IntoIterator<Item = &'list Participant>) -> Self {
        let mut counts = Self::default();
        list.into_iter().for_each(|one| counts.enter(one));
        counts
    }

    /// Somebody is in the list now.
    pub fn enter(&mut self, participant: &Participant) {
        self.add(participant.profile.is_agent(), !participant.tracks.is_empty());
    }

    /// Somebody who was in the list is no longer.
    pub fn leave(&mut self, participant: &Participant) {
        match (participant.profile.is_agent(), participant.tracks.is_empty()) {
            (true, _) => self.agents -= 1,
            (false, is_silent) => {
                self.people -= 1;
                self.publishers -= usize::from(!is_silent);
            }
        }
    }

    /// Everybody in the list.
    pub fn participants(self) -> usize {
        self.people + self.agents
    }

    pub(super) fn add(&mut self, is_agent: bool, publishes: bool) {
        match (is_agent, publishes) {
            (true, _) => self.agents += 1,
            (false, publishes) => {
                self.people += 1;
                self.publishers += usize::from(publishes);
            }
        }
    }
}

/// The counts of a room, which each step changes by the difference that it makes.
///
/// A row of a release that knew only the number of participants leaves open how many of them are agents and how many publish.
/// Until everybody in the room is counted, all of them are taken for people, and none for a publisher.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunningCounts {
    participants: usize,
    parts: Option<Parts>,
}

/// What a room's row says of its participants, beside their number.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parts {
    agents: usize,
    publishers: usize,
}

impl Default for RunningCounts {
    fn default() -> Self {
        Counts::default().into()
    }
}

impl From<Counts> for RunningCounts {
    fn from(counts: Counts) -> Self {
        let parts = Parts { agents: counts.agents, publishers: counts.publishers };
        Self { participants: counts.participants(), parts: Some(parts) }
    }
}

impl RunningCounts {
    /// As a row has them.
    pub fn restore(participants: usize, parts: Option<Parts>) -> Self {
        Self { participants, parts }
    }

    pub fn participants(self) -> usize {
        self.participants
    }

    /// None until everybody is counted.
    pub fn parts(self) -> Option<Parts> {
        self.parts
    }

    pub fn counts(self) -> Counts {
        let Parts { agents, publishers } = self.parts.unwrap_or_default();
        Counts { people: self.participants.saturating_sub(agents), agents, publishers }
    }

    /// Takes over a step. `before` and `after` count those whom the step was about.
    pub fn step(&mut self, before: Counts, after: Counts) {
        // Saturating, because a row that another program has changed must not end this one.
        let step =
            |count: usize, before: usize, after: usize| (count + after).saturating_sub(before);
        self.participants = step(self.participants, before.participants(), after.participants());
        if let Some(Parts { agents, publishers }) = &mut self.parts {
            *agents = step(*agents, before.agents, after.agents);
            *publishers = step(*publishers, before.publishers, after.publishers);
        }
    }
}
