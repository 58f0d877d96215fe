//! What is counted of requests.

use std::{borrow::Cow, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

use crate::{
    hub::Source,
    livekit::WebhookName,
    metrics::{Buckets, ByLabel, RegistryExt, label},
};

/// Counts requests, webhooks, and where answers came from.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    requests: Family<RequestLabels, Counter>,
    webhooks: Family<WebhookLabels, Counter>,
    webhook_seconds: Histogram,
    cache: ByLabel<CacheResult, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: Cow<'static, str>,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WebhookLabels {
    event: &'static str,
    #[prometheus(flatten)]
    outcome: WebhookOutcome,
}

label! {
    /// What became of a webhook.
    pub(super) enum WebhookOutcome as "outcome" {
        /// Clients see a difference.
        Changed = "changed",
        /// Applied; nobody sees a difference.
        Unchanged = "unchanged",
        Duplicate = "duplicate",
        /// It does not say who is in a room.
        Ignored = "ignored",
        /// Not signed by one of our keys, or not for this body.
        Unauthorized = "unauthorized",
        Malformed = "malformed",
        TooLarge = "too_large",
        /// Refused too often from its address.
        Limited = "limited",
        /// Signed, and sent to a path that takes none.
        Misdirected = "misdirected",
        /// Not stored; LiveKit sends it again.
        Unavailable = "unavailable",
    }
}

label! {
    /// Where the answer of a GET came from.
    pub(super) enum CacheResult as "result" {
        /// From the list that this instance's streams show.
        Hot = "hot",
        Store = "store",
        /// LiveKit was asked first.
        LiveKit = "livekit",
        /// Not known to be everybody.
        Stale = "stale",
    }
}

impl CacheResult {
    /// Of a room that was read.
    pub fn of(source: Source, is_complete: bool) -> Self {
        match source {
            _ if !is_complete => Self::Stale,
            Source::Hot => Self::Hot,
            Source::Store => Self::Store,
            Source::LiveKit => Self::LiveKit,
        }
    }
}

impl HttpMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        let requests = registry.register_new("http_requests", "Requests answered");
        let webhooks = registry.register_new("webhooks", "Webhooks received");
        let webhook_seconds = registry.register_seconds(
            "webhook",
            "From a webhook's arrival to its answer",
            Buckets { first: 0.000_05, factor: 2.0, count: 18 },
        );
        let cache: Family<_, _> = registry.register_new("reads", "Lists read by GET");
        Self { requests, webhooks, webhook_seconds, cache: cache.into() }
    }

    pub(super) fn answered(&self, route: Cow<'static, str>, status: u16) {
        self.requests.get_or_create(&RequestLabels { route, status }).inc();
    }

    pub(super) fn webhook(
        &self,
        name: Option<WebhookName>,
        outcome: WebhookOutcome,
        took: Duration,
    ) {
        let event = name.map_or("unknown", WebhookName::as_str);
        self.webhooks.get_or_create(&WebhookLabels { event, outcome }).inc();
        self.webhook_seconds.observe(took.as_secs_f64());
    }

    pub(super) fn read(&self, result: CacheResult) {
        self.cache.get(result).inc();
    }
}
