//! Tokens of LiveKit: who asks (`caller.rs`), how often (`rate.rs`), what they may (`rights.rs`), and the token itself (`issue.rs`).

pub(super) mod caller;
pub(super) mod issue;
mod metrics;
pub(super) mod rate;
pub(super) mod rights;

use std::sync::Arc;

use prometheus_client::registry::Registry;

use crate::{
    app_auth::{AppTokens, Authorizer},
    coordination::Peers,
};

use super::{limits::repeats::Repeats, settings::TokenSettings};

use metrics::TokenMetrics;

/// What is needed to issue tokens.
pub struct Tokens {
    settings: TokenSettings,
    app_tokens: Option<AppTokens>,
    authorizer: Option<Authorizer>,
    peers: Arc<dyn Peers>,
    metrics: TokenMetrics,
    /// Bounds the log lines about the app and the store.
    log: Repeats<String>,
}

impl Tokens {
    /// Whether anybody gets a token under any name.
    pub(super) fn is_insecure(&self) -> bool {
        self.settings.insecure
    }

    /// With the app's own tokens, an app that is asked, both, or, for development, neither.
    pub fn new(
        settings: TokenSettings,
        app_tokens: Option<AppTokens>,
        authorizer: Option<Authorizer>,
        peers: Arc<dyn Peers>,
        registry: &mut Registry,
    ) -> Self {
        let (metrics, log) = (TokenMetrics::register(registry), Repeats::default());
        Self { settings, app_tokens, authorizer, peers, metrics, log }
    }

    /// Whether pages are known by their cookies.
    pub(super) fn takes_cookies(&self) -> bool {
        self.authorizer.is_some()
    }
}
