//! What the entrance of the feed and its task share, behind one lock that is held for moments.

use std::{sync::Arc, time::Instant};

use tokio::sync::watch;

use crate::{
    presence::{HostTime, Version},
    reconcile::Watched,
    store::{LogId, StoreError},
};

use super::{
    super::topic::{Subscription, Topic},
    entry::Entry,
    feed_topic::FeedTopic,
    filter::EventFilter,
    preface::{Beginning, Prefaces},
    recent::Recent,
    topics::Topics,
};

/// How the opening of the feed ended; none while it is under way.
pub(super) type Opening = Option<Result<(), StoreError>>;

/// The feed as it was followed.
pub(super) struct State {
    pub phase: Phase,
    topics: Topics,
    pub recent: Recent,
    /// How far the log was followed.
    followed: LogId,
    prefaces: Prefaces,
}

pub(super) enum Phase {
    /// Nobody subscribes, and nothing is followed.
    Idle,
    Opening(watch::Receiver<Opening>),
    Open,
}

/// A subscription, and from where it goes on.
pub(super) struct Place {
    pub subscription: Subscription,
    pub version: Version,
    pub position: LogId,
}

impl State {
    pub fn new(max_entries: usize) -> Self {
        Self {
            phase: Phase::Idle,
            topics: Topics::default(),
            recent: Recent::new(max_entries, LogId::default()),
            followed: LogId::default(),
            prefaces: Prefaces::default(),
        }
    }

    /// The log is followed from here.
    pub fn open(&mut self, position: LogId) {
        self.phase = Phase::Open;
        self.recent.restart(position);
        self.followed = position;
    }

    /// Subscribes to a filter. None if there are too many filters. `watch` is called for a new one.
    pub fn enter(
        &mut self,
        filter: &EventFilter,
        watch: impl FnOnce() -> Vec<Watched>,
    ) -> Option<Place> {
        if self.topics.get(filter).is_none() {
            if self.topics.are_too_many_with(filter) {
                self.topics.drop_idle();
            }
            if self.topics.are_too_many_with(filter) {
                return None;
            }
            self.topics.insert(FeedTopic::new(filter.clone(), self.followed, watch()));
        }
        let subscription = self.topics.get(filter)?.subscribe();
        let (version, position) = self.published(filter);
        Some(Place { subscription, version, position })
    }

    /// The version of a filter that is published, and its place in the log.
    ///
    /// # Panics
    /// Nobody subscribes to the filter.
    pub fn published(&self, filter: &EventFilter) -> (Version, LogId) {
        let topic = self.topics.get(filter).expect("somebody subscribes to the filter");
        topic.published(self.followed)
    }

    /// What was made just now for another subscriber of the filter that was last sent the same.
    pub fn shared_beginning(&self, filter: &EventFilter, after: LogId) -> Option<Beginning> {
        let topic = self.topics.get(filter)?;
        let found = self.prefaces.find(topic.topic().id(), after, Instant::now())?;
        topic.keeps_after(found.version).then(|| found.clone())
    }

    /// Keeps a beginning for others. Its version is the filter's, to which the caller still subscribes.
    pub fn share_beginning(&mut self, filter: &EventFilter, after: LogId, made: &Beginning) {
        if let Some(topic) = self.topics.get(filter) {
            self.prefaces.keep(topic.topic().id(), after, made);
        }
    }

    /// Takes in a message of the log.
    pub fn push(&mut self, entry: Arc<Entry>) {
        self.topics.offer(&entry, self.followed);
        self.followed = self.followed.max(entry.id);
        self.recent.push(entry);
    }

    /// Messages before `position` were lost.
    pub fn lose(&mut self, position: LogId, now: HostTime) {
        let gap = Entry::gap(position.max(self.followed), now);
        // Nobody resumes from the place before the loss without asking the log.
        self.recent.lost_before(position.max(self.followed.next(0)));
        self.push(gap);
    }

    pub fn followed(&self) -> LogId {
        self.followed
    }

    pub fn has_pending(&self) -> bool {
        self.topics.have_pending()
    }

    /// Publishes what waits. Returns the topics of whose new content the workers have to be told, and how many subscribers they
    /// have.
    pub fn publish(&mut self) -> (Vec<Arc<Topic>>, usize) {
        self.topics.publish(self.followed, self.recent.floor())
    }

    /// Lets heartbeats tell how far the log was followed.
    pub fn refresh(&mut self) {
        self.drop_idle();
        self.topics.refresh(self.followed, self.recent.floor());
        self.prefaces.forget(Instant::now());
    }

    pub fn filters(&self) -> usize {
        self.topics.len()
    }

    /// Drops the filters to which nobody subscribes. Returns how many are left.
    pub fn drop_idle(&mut self) -> usize {
        self.topics.drop_idle();
        self.topics.len()
    }

    /// Forgets everything, unless somebody subscribes. Tells whether it did.
    pub fn close_if_idle(&mut self) -> bool {
        let is_idle = self.drop_idle() == 0;
        if is_idle {
            self.phase = Phase::Idle;
            self.recent.restart(self.followed);
            self.prefaces = Prefaces::default();
        }
        is_idle
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sse::silent_heartbeat;

    /// Publishes this many messages.
    fn publish(state: &mut State, count: u64) {
        for _ in 0..count {
            state.push(Entry::gap(state.followed.next(0), HostTime::default()));
        }
        state.publish();
    }

    #[test]
    fn a_beginning_is_shared_among_the_subscribers_of_one_topic_and_not_with_those_of_a_later_one()
    {
        let mut state = State::new(100);
        let (filter, after) = (EventFilter::default(), LogId::default().next(1));
        let first = state.enter(&filter, Vec::new).unwrap();
        publish(&mut state, 50);
        let (version, position) = state.published(&filter);
        let id = "x".repeat(20_000);
        let preface = Arc::new(silent_heartbeat(Some(&id)));
        state.share_beginning(&filter, after, &Beginning { preface, version, is_part: false });
        let second = state.enter(&filter, Vec::new).unwrap();
        let shared = state.shared_beginning(&filter, after).expect("it was made just now");
        assert_eq!((shared.version, second.version), (version, version));
        assert!(state.shared_beginning(&filter, position).is_none());
        drop((first, second));
        state.drop_idle();
        let later = state.enter(&filter, Vec::new).unwrap();
        assert_eq!(later.version, Version::ZERO);
        assert!(state.shared_beginning(&filter, after).is_none());
        publish(&mut state, 60);
        assert!(state.shared_beginning(&filter, after).is_none(), "its 50 are others");
    }
}
