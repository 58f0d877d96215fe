//! What only this store counts.

use prometheus_client::{metrics::counter::Counter, registry::Registry};

/// Subscriptions that were lost.
#[derive(Clone, Debug, Default)]
pub struct RedisMetrics {
    resubscriptions: Counter,
}

impl RedisMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "redis_resubscriptions",
            "Times the subscription to Redis was lost and made again",
            metrics.resubscriptions.clone(),
        );
        metrics
    }

    pub(super) fn resubscribed(&self) {
        self.resubscriptions.inc();
    }
}
