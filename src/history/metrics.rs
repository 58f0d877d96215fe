//! What goes into the history, and what waits for it.

use std::time::Duration;

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::{
    metrics::{Buckets, RegistryExt, label},
    store::OutboxCounts,
};

use super::database::Swept;

/// Items written, waiting and lost, and rows deleted.
#[derive(Clone, Debug)]
pub struct HistoryMetrics {
    items: Family<ItemOutcome, Counter>,
    waiting: Gauge,
    up: Gauge,
    seconds: Histogram,
    deleted: Family<Deleted, Counter>,
}

label! {
    pub(super) enum ItemOutcome as "outcome" {
        Written = "written",
        /// The database refuses its data.
        Refused = "refused",
        /// A later release wrote it, or something else did.
        Unreadable = "unreadable",
        /// Too many waited.
        Dropped = "dropped",
    }
}

label! {
    enum Deleted as "rows" {
        Sessions = "sessions",
        Instances = "instances",
        /// By the erasure of a person.
        Erased = "erased",
    }
}

impl HistoryMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            items: registry
                .register_new("history_items", "What steps on rooms added to the history"),
            waiting: registry.register_new(
                "history_waiting",
                "Items that wait for the history's database, as far as this instance knows",
            ),
            up: registry.register_new(
                "history_database_up",
                "0 while the history's database cannot be written; look at the log",
            ),
            seconds: registry.register_seconds(
                "history_write",
                "Time to write one batch of items into the history's database",
                Buckets { first: 0.000_5, factor: 4.0, count: 8 },
            ),
            deleted: registry.register_new(
                "history_rows_deleted",
                "Rows deleted because they were kept long enough, or a person was erased",
            ),
        };
        metrics.up.set(1);
        metrics
    }

    pub(super) fn count(&self, outcome: ItemOutcome, items: usize) {
        self.items.get_or_create(&outcome).inc_by(items as u64);
    }

    pub(super) fn wrote(&self, items: usize, time: Duration) {
        self.count(ItemOutcome::Written, items);
        self.seconds.observe(time.as_secs_f64());
    }

    pub(super) fn database_is(&self, up: bool) {
        self.up.set(up.into());
    }

    /// The outbox counts what it drops itself.
    pub(super) fn outbox(&self, counts: OutboxCounts) {
        self.waiting.set(i64::try_from(counts.waiting).unwrap_or(i64::MAX));
        let dropped = self.items.get_or_create(&ItemOutcome::Dropped);
        dropped.inc_by(counts.dropped.saturating_sub(dropped.get()));
    }

    pub(super) fn swept(&self, swept: Swept) {
        self.deleted.get_or_create(&Deleted::Sessions).inc_by(swept.sessions);
        self.deleted.get_or_create(&Deleted::Instances).inc_by(swept.instances);
    }

    pub(super) fn erased(&self, sessions: u64) {
        self.deleted.get_or_create(&Deleted::Erased).inc_by(sessions);
    }
}
