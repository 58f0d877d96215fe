//! What the feed counts.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::metrics::{RegistryExt, label};

/// Events that were followed, filters, and how subscribers came back.
#[derive(Clone, Debug)]
pub struct EventMetrics {
    events: Counter,
    gaps: Counter,
    is_followed: Gauge,
    filters: Gauge,
    resumes: Family<ResumeOutcome, Counter>,
}

label! {
    /// How a subscriber that came back was given what it had missed.
    pub(super) enum ResumeOutcome as "outcome" {
        /// From the messages that this instance still had.
        Memory = "memory",
        /// From the store's log.
        Log = "log",
        /// The log no longer had all of it, or never had the id.
        Gap = "gap",
    }
}

impl EventMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        Self {
            events: registry.register_new("feed_events", "Events followed for the feed"),
            gaps: registry.register_new(
                "feed_gaps",
                "Times the feed lost events that the store's log no longer had",
            ),
            is_followed: registry.register_new(
                "feed_followed",
                "1 while this instance follows the log of events for subscribers of the feed",
            ),
            filters: registry.register_new(
                "feed_filters",
                "Different filters of the feed that somebody on this instance asked for",
            ),
            resumes: registry.register_new(
                "feed_resumes",
                "Subscribers of the feed that came back with an id, by where the rest was found",
            ),
        }
    }

    pub(super) fn followed(&self, events: usize) {
        self.events.inc_by(events as u64);
    }

    pub(super) fn is_followed(&self, is_followed: bool) {
        self.is_followed.set(i64::from(is_followed));
    }

    pub(super) fn lost(&self) {
        self.gaps.inc();
    }

    pub(super) fn has_filters(&self, count: usize) {
        self.filters.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(super) fn resumed(&self, outcome: ResumeOutcome) {
        self.resumes.get_or_create(&outcome).inc();
    }
}
