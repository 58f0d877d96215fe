//! What is counted of tokens. How many were asked for, and how that was answered, is in `http_requests`.

use prometheus_client::{metrics::counter::Counter, registry::Registry};

use crate::metrics::RegistryExt;

/// Counts what passed without being counted.
#[derive(Clone, Debug)]
pub(super) struct TokenMetrics {
    pub unlimited: Counter,
}

impl TokenMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        Self {
            unlimited: registry.register_new(
                "tokens_unlimited",
                "Requests for tokens that passed because the store did not count them",
            ),
        }
    }
}
