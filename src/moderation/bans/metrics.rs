//! Removals of banned people, and bans that were put back.

use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use crate::metrics::{RegistryExt, label};

/// Removals of banned people, and bans that were put back.
#[derive(Clone, Debug)]
pub struct BanMetrics {
    removals: Family<RemovalOutcome, Counter>,
    restored: Counter,
}

label! {
    pub(super) enum RemovalOutcome as "outcome" {
        Removed = "removed",
        /// LiveKit did not have them any more.
        Gone = "gone",
        /// LiveKit did not do it. It is told again while they are inside.
        Failed = "failed",
        /// The budget has no call, or they come too often. LiveKit is told later, while they are inside.
        Postponed = "postponed",
        /// LiveKit did not do it for a minute. The next comparison finds them again.
        GivenUp = "given_up",
        /// Too many waited. The next comparison finds them again.
        Dropped = "dropped",
    }
}

impl BanMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        Self {
            removals: registry
                .register_new("bans_removals", "Banned people whom LiveKit was told to remove"),
            restored: registry.register_new(
                "bans_restored",
                "Bans that the store had lost and that were put back from the database",
            ),
        }
    }

    pub(super) fn removal(&self, outcome: RemovalOutcome) {
        self.removals.get_or_create(&outcome).inc();
    }

    pub(super) fn restored(&self) {
        self.restored.inc();
    }
}
