//! The topics of streams of all rooms, one for each prefix that somebody watches, and the list that they show parts of.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    hub::{
        content::Content,
        snapshot::View,
        topic::{Subscription, Topic, Watchers},
    },
    store::StoreError,
};

use super::{
    list::{RoomList, RoomsDelta, with_prefix},
    snapshot::RoomsSnapshot,
};

/// Different prefixes that are watched at the same time. Each change of the list is looked at for each.
const MAX_PREFIXES: usize = 256;
/// A prefix is kept this long after its last subscriber has left, because most come back at once.
const LINGER: Duration = Duration::from_secs(5);
/// A smaller frame counts as one of this size: the system call takes most of its time.
const MIN_FRAME_BYTES: usize = 2 * 1024;

/// Why nobody could subscribe to all rooms.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SubscribeAllError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("too many different prefixes are watched")]
    TooManyPrefixes,
}

/// Entering a prefix and leaving it take the same lock as publishing, so that no subscriber misses a change.
#[derive(Default)]
pub(in crate::hub) struct Topics(Mutex<State>);

#[derive(Default)]
struct State {
    /// None until it was read for the first time.
    list: Option<RoomList>,
    by_prefix: HashMap<Box<str>, PrefixTopic>,
    /// Whether a task keeps the list.
    is_served: bool,
}

struct PrefixTopic {
    topic: Arc<Topic>,
    newest: Option<Arc<RoomsSnapshot>>,
    /// Since when it has no subscribers, as far as was looked.
    idle_since: Option<Instant>,
}

impl Topics {
    /// Subscribes to the rooms whose names begin with a prefix. Also returns whether a task has to be started.
    pub fn enter(&self, prefix: &str) -> Result<(Subscription, bool), SubscribeAllError> {
        let mut state = self.lock();
        if let Some(known) = state.by_prefix.get(prefix) {
            return Ok((known.topic.subscribe(View::Deltas), false));
        }
        if state.by_prefix.len() >= MAX_PREFIXES {
            state.by_prefix.retain(|_, topic| topic.topic.has_subscribers());
        }
        if state.by_prefix.len() >= MAX_PREFIXES {
            return Err(SubscribeAllError::TooManyPrefixes);
        }
        let mut added =
            PrefixTopic { topic: Arc::new(Topic::new()), newest: None, idle_since: None };
        if let Some(list) = &state.list {
            added.begin(prefix, list);
        }
        let subscription = added.topic.subscribe(View::Deltas);
        state.by_prefix.insert(prefix.into(), added);
        Ok((subscription, !std::mem::replace(&mut state.is_served, true)))
    }

    /// Begins all topics that wait for the list.
    pub(super) fn begin(&self, list: RoomList) {
        let mut state = self.lock();
        for (prefix, waiting) in &mut state.by_prefix {
            waiting.begin(prefix, &list);
        }
        state.list = Some(list);
    }

    /// Changes the list, and publishes what is different. Returns the bytes that this sends to all subscribers together; none if
    /// nothing is different.
    pub(super) fn change(
        &self,
        watchers: &dyn Watchers,
        change: impl FnOnce(&mut RoomList) -> RoomsDelta,
    ) -> Option<usize> {
        let mut state = self.lock();
        let State { list: Some(list), by_prefix, .. } = &mut *state else { return None };
        let delta = change(list);
        let bytes = by_prefix
            .iter_mut()
            .filter_map(|(prefix, topic)| topic.publish(prefix, list, &delta, watchers));
        let bytes = bytes.fold(0, usize::saturating_add);
        (!delta.is_empty()).then_some(bytes)
    }

    /// Removes prefixes without subscribers. If none is left, forgets the list, and returns true: the task ends.
    pub fn leave_idle(&self) -> bool {
        let mut state = self.lock();
        state.by_prefix.retain(|_, topic| !topic.is_idle());
        if state.by_prefix.is_empty() {
            *state = State::default();
        }
        !state.is_served
    }

    /// Gives all up because the list could not be read. Waiting subscribers get the error, and the next one tries again.
    pub fn give_up(&self, error: &StoreError) {
        for (_, waiting) in std::mem::take(&mut *self.lock()).by_prefix {
            waiting.topic.fail(error.clone());
        }
    }

    /// The number of prefixes.
    pub fn count(&self) -> usize {
        self.lock().by_prefix.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics while it is locked")
    }
}

impl PrefixTopic {
    fn begin(&mut self, prefix: &str, list: &RoomList) {
        let first = Arc::new(RoomsSnapshot::first(with_prefix(&list.rooms(), prefix)));
        self.topic.put(Content::Rooms(Arc::clone(&first)));
        self.topic.announced();
        self.newest = Some(first);
    }

    /// Publishes what is different among the rooms with the prefix. Returns the bytes that this sends.
    fn publish(
        &mut self,
        prefix: &str,
        list: &RoomList,
        delta: &RoomsDelta,
        watchers: &dyn Watchers,
    ) -> Option<usize> {
        let delta = delta.of(prefix);
        let before = self.newest.as_ref().filter(|_| !delta.is_empty())?;
        let snapshot = Arc::new(before.after(with_prefix(&list.rooms(), prefix), &delta));
        let bytes = snapshot.frame_bytes().max(MIN_FRAME_BYTES);
        self.topic.put(Content::Rooms(Arc::clone(&snapshot)));
        watchers.topic_changed(&self.topic);
        self.topic.announced();
        self.newest = Some(snapshot);
        Some(bytes.saturating_mul(self.topic.count(View::Deltas)))
    }

    fn is_idle(&mut self) -> bool {
        if self.topic.has_subscribers() {
            self.idle_since = None;
            return false;
        }
        self.idle_since.get_or_insert_with(Instant::now).elapsed() >= LINGER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_that_nobody_watches_any_more_makes_room_for_another() {
        let topics = Topics::default();
        let enter = |number: usize| topics.enter(&number.to_string()).map(|(entered, _)| entered);
        let mut watched: Vec<_> = (0..MAX_PREFIXES).map(|number| enter(number).unwrap()).collect();
        assert!(matches!(enter(MAX_PREFIXES), Err(SubscribeAllError::TooManyPrefixes)));
        let id_of_first = watched[0].topic().id();
        watched.pop();
        let newest = enter(MAX_PREFIXES).unwrap();
        assert_eq!(topics.count(), MAX_PREFIXES);
        assert_eq!(enter(0).unwrap().topic().id(), id_of_first, "those that are watched stay");
        drop(newest);
    }
}
