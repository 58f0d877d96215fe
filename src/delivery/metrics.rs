//! What the workers count.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::metrics::{Buckets, RegistryExt};

use super::close_reason::CloseReason;

/// Streams, and what was written to them.
#[derive(Clone, Debug)]
pub struct DeliveryMetrics {
    pub(super) streams_open: Gauge,
    pub(super) web_sockets_open: Gauge,
    pub(super) streams_opened: Counter,
    streams_closed: Family<CloseReason, Counter>,
    pub(super) frames: Counter,
    pub(super) bytes: Counter,
    pub(super) slow_subscribers: Counter,
    pub(super) repaired: Counter,
    pub(super) latency: Histogram,
}

impl DeliveryMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            streams_open: registry.register_new("streams_open", "Streams open now"),
            web_sockets_open: registry
                .register_new("web_sockets_open", "Those of the open streams that are WebSockets"),
            streams_opened: registry.register_new("streams_opened", "Streams opened"),
            streams_closed: registry.register_new("streams_closed", "Streams closed"),
            frames: registry.register_new("frames_written", "Frames written to streams"),
            bytes: registry.register_bytes("frames_written", "Bytes of frames written to streams"),
            slow_subscribers: registry.register_new("slow_subscribers", "Times a stream's socket was full"),
            repaired: registry.register_new(
                "heartbeat_repairs",
                "Streams that a heartbeat found behind their room; anything but zero is a bug",
            ),
            latency: registry.register_seconds(
                "webhook_to_subscriber",
                "From a webhook's arrival until its frame was written to the last of a worker's streams",
                Buckets { first: 0.000_1, factor: 2.0, count: 16 },
            ),
        };
        metrics.register_former_names(registry);
        metrics
    }

    /// The names until 0.1, for dashboards of that time. They go with the release after the next.
    fn register_former_names(&self, registry: &mut Registry) {
        registry.register(
            "slow_readers",
            "As slow_subscribers, by its former name",
            self.slow_subscribers.clone(),
        );
        registry.register_with_unit(
            "webhook_to_reader",
            "As webhook_to_subscriber, by its former name",
            Unit::Seconds,
            self.latency.clone(),
        );
    }

    pub(super) fn closed(&self, reason: CloseReason) {
        self.streams_open.dec();
        self.streams_closed.get_or_create(&reason).inc();
    }
}
