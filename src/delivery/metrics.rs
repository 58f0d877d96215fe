//! What the delivery threads count.

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// Streams and what was written to them.
#[derive(Clone, Debug)]
pub struct DeliveryMetrics {
    pub(super) streams_open: Gauge,
    pub(super) streams_opened: Counter,
    streams_closed: Family<ReasonLabel, Counter>,
    pub(super) frames: Counter,
    pub(super) bytes: Counter,
    pub(super) slow_subscribers: Counter,
    pub(super) repaired: Counter,
    pub(super) latency: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: CloseReason,
}

/// Why a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client went away.
    Client,
    /// The access token expired.
    Expired,
    /// It reached `stream.max_age`.
    MaxAge,
    /// Its identity has newer ones, as many as `limits.streams_per_identity`.
    Replaced,
    /// This instance is shutting down.
    Drain,
    /// It did not take a frame within `stream.write_timeout`.
    WriteTimeout,
    /// It was the slowest when slow connections kept more than `stream.pinned_bytes`.
    PinnedBytes,
    /// It sent more than a subscriber has to say.
    TooMuchInput,
    /// The socket failed.
    Socket,
}

impl CloseReason {
    /// As the client and the operator see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Expired => "expired",
            Self::MaxAge => "max_age",
            Self::Replaced => "replaced",
            Self::Drain => "drain",
            Self::WriteTimeout => "write_timeout",
            Self::PinnedBytes => "pinned_bytes",
            Self::TooMuchInput => "too_much_input",
            Self::Socket => "socket",
        }
    }
}

impl EncodeLabelValue for CloseReason {
    fn encode(
        &self,
        encoder: &mut prometheus_client::encoding::LabelValueEncoder,
    ) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.as_str(), encoder)
    }
}

impl DeliveryMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            streams_open: Gauge::default(),
            streams_opened: Counter::default(),
            streams_closed: Family::default(),
            frames: Counter::default(),
            bytes: Counter::default(),
            slow_subscribers: Counter::default(),
            repaired: Counter::default(),
            latency: Histogram::new(exponential_buckets(0.000_1, 2.0, 16)),
        };
        registry.register("streams_open", "Streams open now", metrics.streams_open.clone());
        registry.register("streams_opened", "Streams opened", metrics.streams_opened.clone());
        registry.register("streams_closed", "Streams closed", metrics.streams_closed.clone());
        registry.register("frames_written", "Frames written to streams", metrics.frames.clone());
        registry.register_with_unit(
            "frames_written",
            "Bytes of frames written to streams",
            Unit::Bytes,
            metrics.bytes.clone(),
        );
        registry.register(
            "slow_subscribers",
            "Times a stream's socket was full",
            metrics.slow_subscribers.clone(),
        );
        registry.register(
            "slow_readers",
            "As slow_subscribers, by its former name",
            metrics.slow_subscribers.clone(),
        );
        registry.register(
            "heartbeat_repairs",
            "Streams that a heartbeat found behind their room; anything but zero is a bug",
            metrics.repaired.clone(),
        );
        registry.register_with_unit(
            "webhook_to_subscriber",
            "From a webhook's arrival until its frame was written to the last of a thread's streams",
            Unit::Seconds,
            metrics.latency.clone(),
        );
        registry.register_with_unit(
            "webhook_to_reader",
            "As webhook_to_subscriber, by its former name",
            Unit::Seconds,
            metrics.latency.clone(),
        );
        metrics
    }

    pub(super) fn closed(&self, reason: CloseReason) {
        self.streams_open.dec();
        self.streams_closed.get_or_create(&ReasonLabel { reason }).inc();
    }
}
