//! A room's list as the hub holds it, in the order in which subscribers see the participants.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use crate::{
    json,
    presence::{Change, Counts, Identity, LiveKitTime, Participant, ParticipantSid, ViewDiff},
};

/// One participant, shared by every list that it is in.
#[derive(Debug)]
pub(super) struct Entry {
    pub participant: Participant,
    /// How many bytes it has as JSON. Counted once, when the first list is encoded.
    json_bytes: OnceLock<u32>,
}

/// A list that snapshots share until it changes.
#[derive(Clone, Debug, Default)]
pub(super) struct List {
    entries: Arc<Vec<Arc<Entry>>>,
    /// The join time of each identity. Together they give an entry's place in the order.
    joined_at: HashMap<Identity, LiveKitTime>,
    counts: Counts,
}

impl List {
    /// From participants in the order of the list.
    pub fn new(participants: Vec<Participant>) -> Self {
        let joined_at =
            participants.iter().map(|one| (one.identity.clone(), one.joined_at)).collect();
        let counts = Counts::of(&participants);
        // `collect` would keep the memory of the participants for the much smaller entries.
        let mut entries = Vec::with_capacity(participants.len());
        entries.extend(participants.into_iter().map(Entry::new));
        Self { counts, entries: Arc::new(entries), joined_at }
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    pub fn entries(&self) -> Arc<Vec<Arc<Entry>>> {
        Arc::clone(&self.entries)
    }

    /// Folds a change in, and notes in `diff` what the changed identities looked like before.
    pub fn fold(&mut self, change: &Change, diff: &mut ViewDiff) {
        self.fold_in(change.joined.iter().chain(&change.updated).cloned(), diff);
        for departure in &change.left {
            let before = self.remove(&departure.identity);
            diff.touch(&departure.identity, || before);
        }
    }

    /// Puts participants in, and notes in `diff` what their identities looked like before.
    pub fn fold_in(
        &mut self,
        participants: impl IntoIterator<Item = Participant>,
        diff: &mut ViewDiff,
    ) {
        for participant in participants {
            let before = self.remove(&participant.identity);
            diff.touch(&participant.identity, || before);
            self.insert(participant);
        }
    }

    /// Removes participants whose session does not stay, and notes them in `diff`.
    pub fn retain(&mut self, stays: impl Fn(&ParticipantSid) -> bool, diff: &mut ViewDiff) {
        let entries = self.entries();
        for gone in entries.iter().filter(|entry| !stays(&entry.participant.sid)) {
            let identity = &gone.participant.identity;
            let before = self.remove(identity);
            diff.touch(identity, || before);
        }
    }

    /// Notes everybody in `diff`, before another list replaces this one.
    pub fn touch_all(&self, diff: &mut ViewDiff) {
        for entry in &*self.entries {
            diff.touch(&entry.participant.identity, || Some(entry.participant.clone()));
        }
    }

    pub fn get(&self, identity: &Identity) -> Option<&Participant> {
        let joined_at = *self.joined_at.get(identity)?;
        let index = self.position(joined_at, identity).ok()?;
        Some(&self.entries[index].participant)
    }

    fn insert(&mut self, participant: Participant) {
        self.joined_at.insert(participant.identity.clone(), participant.joined_at);
        self.counts.enter(&participant);
        let index = match self.position(participant.joined_at, &participant.identity) {
            Ok(index) | Err(index) => index,
        };
        Arc::make_mut(&mut self.entries).insert(index, Entry::new(participant));
    }

    fn remove(&mut self, identity: &Identity) -> Option<Participant> {
        let joined_at = self.joined_at.remove(identity)?;
        let index = self.position(joined_at, identity).ok()?;
        let entry = Arc::make_mut(&mut self.entries).remove(index);
        self.counts.leave(&entry.participant);
        Some(entry.participant.clone())
    }

    fn position(&self, joined_at: LiveKitTime, identity: &Identity) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| entry.participant.order().cmp(&(joined_at, identity)))
    }
}

impl Entry {
    pub(super) fn new(participant: Participant) -> Arc<Self> {
        Arc::new(Self { participant, json_bytes: OnceLock::new() })
    }

    #[cfg(test)]
    pub fn is_counted(&self) -> bool {
        self.json_bytes.get().is_some()
    }

    /// How many bytes it has as JSON.
    pub fn json_bytes(&self) -> usize {
        let count = || u32::try_from(json::line_bytes(&self.participant)).unwrap_or(u32::MAX);
        *self.json_bytes.get_or_init(count) as usize
    }
}
