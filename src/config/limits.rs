//! The table `[limits]`: what one client, and all of them together, may use.

use super::values::{Values, bytes, limit};

/// Limits. Zero means none, except for `streams` and the two memory limits, which have one in any case.
#[derive(Clone, Debug)]
pub struct LimitsConfig {
    /// None: as many as the process has descriptors for.
    pub streams: Option<usize>,
    pub streams_per_address: u32,
    pub streams_per_identity: u32,
    pub reads_per_address: u32,
    pub lookups_per_address: u32,
    pub refused_webhooks_per_address: u32,
    pub body_bytes: usize,
    pub head_bytes: usize,
}

impl LimitsConfig {
    pub(super) fn take(values: &mut Values) -> Self {
        let streams = values.take("limits.streams", limit) as usize;
        let refused_webhooks = values.take("limits.refused_webhooks_per_address", limit);
        Self {
            streams: Some(streams).filter(|streams| *streams > 0),
            streams_per_address: values.take("limits.streams_per_address", limit),
            streams_per_identity: values.take("limits.streams_per_identity", limit),
            reads_per_address: values.take("limits.reads_per_address", limit),
            lookups_per_address: values.take("limits.lookups_per_address", limit),
            refused_webhooks_per_address: refused_webhooks,
            body_bytes: values.take("limits.body_bytes", bytes),
            head_bytes: values.take("limits.head_bytes", bytes),
        }
    }
}
