//! Webhooks that LiveKit sends to a wrong address. LiveKit does not repeat a webhook after a 404, so all of them would be lost
//! silently; the log tells the operator the right address.

use std::time::Instant;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, Method, Uri},
};
use tokio::time::timeout;
use tracing::warn;

use crate::{
    http::{
        limits::client_address::ClientAddress, metrics::WebhookOutcome, problem::Problem,
        state::Http,
    },
    livekit::WebhookName,
    webhook_log::Noted,
};

use super::webhook::{self, Taken, WEBHOOK_TIMEOUT};

/// The paths that take webhooks. The first is the recommended one.
pub(in crate::http) const WEBHOOK_PATHS: [&str; 2] =
    ["/api/livekit/webhook", "/api/webhooks/livekit"];

/// Whether a path is one of these, apart from repeated and trailing slashes, which come from joining parts of an address.
fn is_webhook_path(path: &str) -> bool {
    let segments = || path.split('/').filter(|segment| !segment.is_empty());
    WEBHOOK_PATHS.iter().any(|known| segments().eq(known[1..].split('/')))
}

/// Answers a path without a route. A webhook whose path has too many slashes is taken like any other.
pub(in crate::http) async fn no_route(
    State(http): State<Http>,
    address: ClientAddress,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Taken, Problem> {
    if method == Method::POST && is_webhook_path(uri.path()) {
        return webhook::receive(State(http), address, headers, body).await;
    }
    Err(explain(&http, &method, &headers, body).await.unwrap_or_else(Problem::not_found))
}

/// Answers a method that a route does not take.
pub(in crate::http) async fn no_method(
    State(http): State<Http>,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Problem {
    let explained = explain(&http, &method, &headers, body).await;
    explained.unwrap_or_else(Problem::method_not_allowed)
}

/// What to tell LiveKit about a webhook that it signed. None for any other request.
async fn explain(http: &Http, method: &Method, headers: &HeaderMap, body: Body) -> Option<Problem> {
    let started = Instant::now();
    let received_at = http.clock.now();
    let token = webhook::token(http, headers, received_at).ok()?;
    let is_post = method == Method::POST;
    let mut noted = Noted::default();
    let name: Option<WebhookName> = if is_post {
        let webhook = webhook::read(http, token, body, received_at, &mut noted);
        Some(timeout(WEBHOOK_TIMEOUT, webhook).await.ok()?.ok()?.name)
    } else {
        // LiveKit signed it, and a redirect took the body.
        noted.is_vouched_for = true;
        None
    };
    let outcome = WebhookOutcome::Misdirected;
    http.metrics.webhook(name, outcome, started.elapsed());
    let problem =
        if is_post { wrong_path(http, started) } else { redirected(http, method, started) };
    let why = Some(problem.detail().to_owned());
    http.observed.webhook_log.add(noted, outcome.as_str(), why, received_at);
    Some(problem)
}

/// LiveKit may send thousands of them.
fn may_log(http: &Http, reason: &str, now: Instant) -> bool {
    http.limits.webhook_log.unsaid(reason.to_owned(), now).is_some()
}

fn wrong_path(http: &Http, now: Instant) -> Problem {
    let path = WEBHOOK_PATHS[0];
    if may_log(http, "a path that takes none", now) {
        warn!(
            webhook.path = path,
            "LiveKit sends webhooks to a path that takes none, and they are lost; correct `webhook.urls` in its configuration"
        );
    }
    Problem::elsewhere(format!(
        "webhooks are not taken here but at {path}; correct `webhook.urls` in LiveKit's configuration"
    ))
}

fn redirected(http: &Http, method: &Method, now: Instant) -> Problem {
    let path = WEBHOOK_PATHS[0];
    if may_log(http, "a redirect", now) {
        warn!(
            webhook.path = path,
            "a redirect turned LiveKit's webhooks into GETs, and they are lost; give `webhook.urls` in its configuration the address behind it, with https"
        );
    }
    Problem::elsewhere(format!(
        "a redirect turned this webhook into a {method} without a body; give `webhook.urls` in LiveKit's configuration the address behind it, which ends in {path}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhooks_path_may_have_slashes_too_many_and_nothing_else() {
        let paths = [
            ("/api/livekit/webhook", true),
            ("/api/livekit/webhook/", true),
            ("//api/livekit/webhook", true),
            ("/api///webhooks//livekit///", true),
            ("/api/livekit", false),
            ("/api/livekit/webhooks", false),
            ("/api/webhooks/livekit/x", false),
            ("/x/api/livekit/webhook", false),
            ("/API/livekit/webhook", false),
            ("/", false),
            ("", false),
            ("*", false),
        ];
        for (path, expected) in paths {
            assert_eq!(is_webhook_path(path), expected, "{path}");
        }
    }
}
