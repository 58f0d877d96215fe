//! Metrics of LiveKit's Redis.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::metrics::{RegistryExt, label};

use super::{changes::KeptChange, error::LiveKitRedisError};

/// What is read, and what Redis tells of changes.
#[derive(Clone, Debug, Default)]
pub struct LiveKitRedisMetrics {
    up: Gauge,
    reads: Family<(What, ReadOutcome), Counter>,
    bytes: Counter,
    invalidations: Family<Invalidated, Counter>,
    nodes: Gauge,
    nodes_lost: Counter,
}

label! {
    /// What is read.
    pub(super) enum What as "what" {
        /// The people in one room.
        People = "people",
        /// The names of all rooms.
        RoomNames = "room_names",
        /// What one room is like.
        Room = "room",
        /// LiveKit's servers.
        Nodes = "nodes",
    }
}

label! {
    pub(super) enum ReadOutcome as "outcome" {
        Ok = "ok",
        Down = "down",
        Unreadable = "unreadable",
        TooLarge = "too_large",
        OverBudget = "over_budget",
    }
}

label! {
    pub(super) enum Invalidated as "what" {
        People = "people",
        Rooms = "rooms",
        Everything = "everything",
    }
}

impl LiveKitRedisMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        Self {
            up: registry.register_new(
                "livekit_redis_up",
                "Whether changes are read from LiveKit's own Redis as they happen, and it is not another LiveKit's",
            ),
            reads: registry.register_new("livekit_redis_reads", "Readings of LiveKit's own Redis"),
            bytes: registry
                .register_bytes("livekit_redis_read", "What was read from LiveKit's own Redis"),
            invalidations: registry.register_new(
                "livekit_redis_invalidations",
                "Times LiveKit's own Redis told of a change to what was read, or a change may have been missed",
            ),
            nodes: registry.register_new(
                "livekit_redis_nodes",
                "LiveKit's servers that go on writing to its own Redis; 0 while that cannot be read",
            ),
            nodes_lost: registry.register_new(
                "livekit_redis_nodes_lost",
                "Times one of LiveKit's servers stopped writing to its own Redis, or was gone from it",
            ),
        }
    }

    pub(super) fn set_up(&self, up: bool) {
        self.up.set(up.into());
    }

    pub(super) fn nodes(&self, alive: usize, lost: usize) {
        self.nodes.set(i64::try_from(alive).unwrap_or(i64::MAX));
        self.nodes_lost.inc_by(lost as u64);
    }

    pub(super) fn brought(&self, bytes: usize) {
        self.bytes.inc_by(bytes as u64);
    }

    pub(super) fn read<T>(&self, what: What, result: &Result<T, LiveKitRedisError>) {
        let outcome = match result {
            Ok(_) => ReadOutcome::Ok,
            Err(LiveKitRedisError::Down(_)) => ReadOutcome::Down,
            Err(LiveKitRedisError::Unreadable { .. }) => ReadOutcome::Unreadable,
            Err(LiveKitRedisError::TooLarge { .. }) => ReadOutcome::TooLarge,
            Err(LiveKitRedisError::OverBudget { .. }) => ReadOutcome::OverBudget,
        };
        self.reads.get_or_create(&(what, outcome)).inc();
    }

    pub(super) fn invalidated(&self, change: &KeptChange) {
        let what = match change {
            KeptChange::People(_) => Invalidated::People,
            KeptChange::Rooms => Invalidated::Rooms,
            KeptChange::Everything => Invalidated::Everything,
        };
        self.invalidations.get_or_create(&what).inc();
    }
}
