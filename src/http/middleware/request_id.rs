//! Gives each request an id, so that an operator can find the log lines of a request that a client reports.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use tracing::{Instrument, debug, info_span};

static HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Longer ids of proxies are replaced.
const MAX_BYTES: usize = 64;

/// Answers within a span that names the path and never the query, which can hold a token.
pub(in crate::http) async fn name_request(request: Request, next: Next) -> Response {
    let id = fit_id(request.headers()).unwrap_or_else(random_id);
    let span = info_span!(
        "request",
        http.method = %request.method(),
        http.path = request.uri().path(),
        request.id = id.to_str().unwrap_or_default(),
    );
    let mut response = next.run(request).instrument(span.clone()).await;
    span.in_scope(|| debug!(http.status = response.status().as_u16(), "answered"));
    response.headers_mut().insert(HEADER.clone(), id);
    response
}

/// The id that a proxy gave, if it looks like one. It goes to the log.
fn fit_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let id = headers.get(&HEADER)?;
    let is_fit = (1..=MAX_BYTES).contains(&id.len()) && id.as_bytes().iter().all(is_plain);
    is_fit.then(|| id.clone())
}

fn random_id() -> HeaderValue {
    HeaderValue::from_str(&format!("{:016x}", fastrand::u64(..)))
        .expect("digits are a header's value")
}
