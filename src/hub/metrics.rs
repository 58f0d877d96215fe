//! What the hub counts.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::metrics::{RegistryExt, label};

/// Hot rooms and the list of rooms, and how often they had to be read again.
#[derive(Clone, Debug)]
pub struct HubMetrics {
    rooms: Family<RoomState, Gauge>,
    snapshots: Counter,
    resyncs: Family<ResyncCause, Counter>,
    all_rooms_prefixes: Gauge,
    all_rooms_changes: Counter,
    all_rooms_readings: Family<ListReadCause, Counter>,
}

label! {
    enum RoomState as "state" {
        /// Its list is known to be everybody.
        Confirmed = "confirmed",
        Stale = "stale",
    }
}

label! {
    /// Why a hot room was read again.
    pub(super) enum ResyncCause as "cause" {
        /// The feed said that it lost changes.
        Feed = "feed",
        /// A change did not build on the version that the hub held.
        Gap = "gap",
        /// The regular check found a later version.
        Check = "check",
        /// The store has an earlier version: it lost what it had acknowledged.
        Fallback = "fallback",
        /// A subscriber had been sent a later version elsewhere, and the store has it.
        Subscriber = "subscriber",
    }
}

label! {
    /// Why the list of rooms was read as a whole for streams of all rooms.
    pub(super) enum ListReadCause as "cause" {
        /// For the first subscriber.
        First = "first",
        /// The feed said that it lost the names of rooms.
        Feed = "feed",
        /// The regular check.
        Check = "check",
        /// A reading before it failed.
        Retry = "retry",
    }
}

impl HubMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            rooms: registry.register_new("rooms_hot", "Rooms watched on this instance"),
            snapshots: registry.register_new("snapshots", "Lists published to streams"),
            resyncs: registry.register_new("resyncs", "Hot rooms read again from the store"),
            all_rooms_prefixes: registry.register_new(
                "all_rooms_prefixes",
                "Different prefixes that streams of all rooms watch",
            ),
            all_rooms_changes: registry.register_new(
                "all_rooms_changes",
                "Changes of the list of rooms published to streams",
            ),
            all_rooms_readings: registry.register_new(
                "all_rooms_readings",
                "Times the whole list of rooms was read for streams",
            ),
        };
        // The name until 0.1, for dashboards of that time. It goes with the release after the next.
        registry.register(
            "editions",
            "As snapshots, by its former name",
            metrics.snapshots.clone(),
        );
        metrics
    }

    pub(super) fn count_rooms(&self, confirmed: usize, stale: usize) {
        for (state, count) in [(RoomState::Confirmed, confirmed), (RoomState::Stale, stale)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.rooms.get_or_create(&state).set(count);
        }
    }

    pub(super) fn count_prefixes(&self, count: usize) {
        self.all_rooms_prefixes.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(super) fn list_changed(&self) {
        self.all_rooms_changes.inc();
    }

    pub(super) fn list_read(&self, cause: ListReadCause) {
        self.all_rooms_readings.get_or_create(&cause).inc();
    }

    pub(super) fn published(&self) {
        self.snapshots.inc();
    }

    pub(super) fn resynced(&self, cause: ResyncCause) {
        self.resyncs.get_or_create(&cause).inc();
    }
}
