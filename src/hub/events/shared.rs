//! What the entrance of the feed and its task hold.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::sync::{Semaphore, watch};

use crate::{
    clock::Clock,
    reconcile::{Reconciler, Watched},
    store::{LogId, Store},
};

use super::{
    super::topic::Watchers,
    filter::EventFilter,
    metrics::{EventMetrics, ResumeOutcome},
    preface::{self, Beginning},
    state::State,
};

/// How the feed behaves.
#[derive(Clone, Debug)]
pub struct EventsConfig {
    /// After events are published, later ones within this time are published together at its end. Zero publishes each at once.
    pub coalesce: Duration,
    /// At most this many events are kept in memory, for subscribers that are slow or come back. The store's log has as many.
    pub max_events: usize,
}

/// Held by the entrance and by the task.
pub(super) struct Shared {
    pub store: Arc<dyn Store>,
    pub reconciler: Option<Reconciler>,
    pub watchers: Arc<dyn Watchers>,
    pub clock: Clock,
    pub metrics: EventMetrics,
    pub config: EventsConfig,
    state: Mutex<State>,
    /// How far in the log all filters are published.
    pub published: watch::Sender<LogId>,
    /// A permit is needed to read the log. Those who wait for it mostly find what they missed in memory then.
    pub log_reads: Semaphore,
}

impl Shared {
    pub fn new(
        store: Arc<dyn Store>,
        reconciler: Option<Reconciler>,
        watchers: Arc<dyn Watchers>,
        clock: Clock,
        config: EventsConfig,
        metrics: EventMetrics,
    ) -> Self {
        Self {
            state: Mutex::new(State::new(config.max_events)),
            store,
            reconciler,
            watchers,
            clock,
            metrics,
            config,
            published: watch::Sender::default(),
            log_reads: Semaphore::new(1),
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it is locked")
    }

    /// The rooms that a filter names are compared as those of streams are.
    pub fn watch_rooms(&self, filter: &EventFilter) -> Vec<Watched> {
        let Some(reconciler) = &self.reconciler else { return Vec::new() };
        filter.rooms.iter().map(|room| reconciler.watch(room)).collect()
    }

    pub fn begin_after_gap(&self, filter: &EventFilter) -> Beginning {
        self.metrics.resumed(ResumeOutcome::Gap);
        let (version, position) = self.state().published(filter);
        let preface = preface::connected_after_gap(position, self.clock.now());
        Beginning { preface, version, is_part: false }
    }
}
