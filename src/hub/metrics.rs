//! What the hub counts.

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Hot rooms and what keeps them right.
#[derive(Clone, Debug, Default)]
pub struct HubMetrics {
    rooms: Family<StateLabel, Gauge>,
    snapshots: Counter,
    resyncs: Family<CauseLabel, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CauseLabel {
    cause: ResyncCause,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: RoomState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "these are the labels as operators see them")]
enum RoomState {
    /// Its list is known to be everybody.
    confirmed,
    stale,
}

/// Why a hot room was read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "these are the labels as operators see them")]
pub(super) enum ResyncCause {
    /// The feed said that it lost changes.
    feed,
    /// A change did not build on what was held.
    gap,
    /// The regular check found a later version.
    check,
    /// The store has an earlier version: it lost what it had acknowledged.
    fallback,
    /// A subscriber had been sent a later version elsewhere, and the store has it.
    subscriber,
}

impl HubMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("rooms_hot", "Rooms watched on this instance", metrics.rooms.clone());
        registry.register(
            "snapshots",
            "Lists published to this instance's streams",
            metrics.snapshots.clone(),
        );
        // The name until 0.1, for dashboards of that time. It goes with the release after the next.
        registry.register(
            "editions",
            "As snapshots, by its former name",
            metrics.snapshots.clone(),
        );
        registry.register(
            "resyncs",
            "Hot rooms read again from the store",
            metrics.resyncs.clone(),
        );
        metrics
    }

    pub(super) fn count_rooms(&self, confirmed: usize, stale: usize) {
        for (state, count) in [(RoomState::confirmed, confirmed), (RoomState::stale, stale)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.rooms.get_or_create(&StateLabel { state }).set(count);
        }
    }

    pub(super) fn published(&self) {
        self.snapshots.inc();
    }

    pub(super) fn resynced(&self, cause: ResyncCause) {
        self.resyncs.get_or_create(&CauseLabel { cause }).inc();
    }
}
