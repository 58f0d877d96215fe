//! The topic of one filter.

use std::sync::Arc;

use crate::{presence::Version, reconcile::Watched, store::LogId};

use super::{
    super::{
        content::Content,
        snapshot::View,
        topic::{Subscription, Topic},
    },
    entry::Entry,
    filter::EventFilter,
    kept::Kept,
    snapshot::EventsSnapshot,
};

/// The events of one filter on their way to its subscribers.
pub(super) struct FeedTopic {
    filter: EventFilter,
    topic: Arc<Topic>,
    kept: Kept,
    /// The place in the log up to which the filter's events are published.
    position: LogId,
    /// Waits for the end of the window.
    pending: Vec<Arc<Entry>>,
    /// Has the rooms that the filter names compared regularly.
    _watched: Vec<Watched>,
}

impl FeedTopic {
    pub fn new(filter: EventFilter, position: LogId, watched: Vec<Watched>) -> Self {
        let topic = Self {
            filter,
            topic: Arc::new(Topic::new()),
            kept: Kept::new(),
            position,
            pending: Vec::new(),
            _watched: watched,
        };
        topic.put(Version::ZERO);
        topic.topic.announced();
        topic
    }

    pub fn filter(&self) -> &EventFilter {
        &self.filter
    }

    pub fn topic(&self) -> &Arc<Topic> {
        &self.topic
    }

    pub fn subscribe(&self) -> Subscription {
        self.topic.subscribe(View::Deltas)
    }

    pub fn subscribers(&self) -> usize {
        self.topic.count(View::Deltas)
    }

    /// The version that is published, and the place in the log up to which it has the filter's events. `followed` is how far the
    /// log was followed.
    pub fn published(&self, followed: LogId) -> (Version, LogId) {
        let position = if self.has_pending() { self.position } else { followed };
        (self.kept.version(), position)
    }

    /// Whether a subscriber with this version can still be brought up to date.
    pub fn keeps_after(&self, version: Version) -> bool {
        self.kept.index_after(version).is_some()
    }

    /// Takes in a message if the filter lets it pass, and tells whether it does. `followed` is how far the log was followed before
    /// it.
    pub fn offer(&mut self, entry: &Arc<Entry>, followed: LogId) -> bool {
        let passes = entry.passes(&self.filter);
        if passes {
            if self.pending.is_empty() {
                self.position = followed;
            }
            self.pending.push(Arc::clone(entry));
        }
        passes
    }

    fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Publishes what waits. The caller then tells the workers.
    pub fn publish(&mut self, followed: LogId, floor: LogId) {
        let prev = self.kept.version();
        // Before the new messages come in: they are kept until the next, however many bytes they have.
        self.kept.forget(floor);
        self.kept.append(&std::mem::take(&mut self.pending));
        self.position = followed;
        self.put(prev);
    }

    /// Lets heartbeats tell how far the log was followed, and drops what is not needed any more.
    pub fn refresh(&mut self, followed: LogId, floor: LogId) {
        if !self.has_pending() {
            self.kept.forget(floor);
            self.position = followed;
            self.put(self.kept.version());
            self.topic.announced();
        }
    }

    fn put(&self, prev: Version) {
        let snapshot = EventsSnapshot::new(self.kept.clone(), prev, self.position);
        if self.subscribers() > 0 {
            snapshot.encode();
        }
        self.topic.put(Content::Events(Arc::new(snapshot)));
    }
}
