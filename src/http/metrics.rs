//! What is counted of requests, and how all counts are shown.

use std::time::Duration;

use axum::{
    extract::{MatchedPath, Request, State},
    http::header,
    middleware::Next,
    response::{IntoResponse, Response},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::livekit::WebhookName;

use super::{Http, problem::Problem};

/// Requests, webhooks, and where answers came from.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    requests: Family<RequestLabels, Counter>,
    webhooks: Family<WebhookLabels, Counter>,
    webhook_seconds: Histogram,
    cache: Family<CacheLabel, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WebhookLabels {
    event: &'static str,
    outcome: WebhookOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheLabel {
    result: CacheResult,
}

/// What became of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "these are the labels as operators see them")]
pub(super) enum WebhookOutcome {
    /// Clients see a difference.
    changed,
    /// Applied; nobody sees a difference.
    unchanged,
    duplicate,
    /// It says nothing about who is in a room.
    ignored,
    /// Not signed by one of our keys, or not for this body.
    unauthorized,
    malformed,
    too_large,
    /// Refused too often from its address.
    limited,
    /// Signed, and sent to a path that takes none.
    misdirected,
    /// Not stored; LiveKit sends it again.
    unavailable,
}

/// Where the answer of a GET came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "these are the labels as operators see them")]
pub(super) enum CacheResult {
    /// From the list that this instance's streams show.
    hot,
    store,
    /// LiveKit was asked first.
    livekit,
    /// Not known to be everybody.
    stale,
}

impl CacheResult {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::hot => "hot",
            Self::store => "store",
            Self::livekit => "livekit",
            Self::stale => "stale",
        }
    }
}

impl HttpMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            webhooks: Family::default(),
            webhook_seconds: Histogram::new(exponential_buckets(0.000_05, 2.0, 18)),
            cache: Family::default(),
        };
        registry.register("http_requests", "Requests answered", metrics.requests.clone());
        registry.register("webhooks", "Webhooks received", metrics.webhooks.clone());
        registry.register_with_unit(
            "webhook",
            "From a webhook's arrival to its answer",
            Unit::Seconds,
            metrics.webhook_seconds.clone(),
        );
        registry.register("reads", "Lists read by GET", metrics.cache.clone());
        metrics
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
        self.cache.get_or_create(&CacheLabel { result }).inc();
    }
}

/// Counts answers by route, never by what a client made up.
pub(super) async fn count(
    State(http): State<Http>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    let route = path.map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let status = response.status().as_u16();
    http.metrics.requests.get_or_create(&RequestLabels { route, status }).inc();
    response
}

/// `GET /metrics`.
pub(super) async fn show(State(http): State<Http>) -> Result<Response, Problem> {
    http.hub.count_rooms();
    let mut text = String::new();
    encode(&mut text, &http.registry).map_err(|_| Problem::internal())?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}
