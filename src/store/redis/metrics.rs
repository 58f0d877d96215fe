//! Metrics of the store in Redis.

use prometheus_client::{metrics::counter::Counter, registry::Registry};

use crate::metrics::RegistryExt;

/// Counts lost subscriptions, and steps that lost to another instance's.
#[derive(Clone, Debug, Default)]
pub struct RedisMetrics {
    resubscriptions: Counter,
    conflicts: Counter,
}

impl RedisMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        Self {
            resubscriptions: registry.register_new(
                "redis_resubscriptions",
                "Times the subscription to Redis was lost and made again",
            ),
            conflicts: registry.register_new(
                "redis_conflicts",
                "Times two instances wrote to one room at once, and one of them took its step again",
            ),
        }
    }

    pub(super) fn conflicted(&self) {
        self.conflicts.inc();
    }

    pub(super) fn resubscribed(&self) {
        self.resubscriptions.inc();
    }
}
