//! Names each request, for the log and for whoever asks about it.

use std::fmt::Write;

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use tower_http::request_id::{
    MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer,
};
use tracing::{Span, info_span};

static HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// A proxy's id is kept if it is no longer than this.
const MOST_BYTES: usize = 64;

#[derive(Clone)]
pub(super) struct RandomId;

impl MakeRequestId for RandomId {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        let mut id = String::with_capacity(16);
        write!(id, "{:016x}", fastrand::u64(..)).expect("writing to memory");
        HeaderValue::from_str(&id).ok().map(RequestId::new)
    }
}

/// Drops an id that does not look like one, lest it end up in a log.
pub(super) async fn drop_unfit(mut request: Request, next: Next) -> Response {
    let is_fit = |id: &HeaderValue| {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        (1..=MOST_BYTES).contains(&id.len()) && id.as_bytes().iter().all(is_plain)
    };
    if request.headers().get(&HEADER).is_some_and(|id| !is_fit(id)) {
        request.headers_mut().remove(&HEADER);
    }
    next.run(request).await
}

pub(super) fn set() -> SetRequestIdLayer<RandomId> {
    SetRequestIdLayer::new(HEADER.clone(), RandomId)
}

pub(super) fn propagate() -> PropagateRequestIdLayer {
    PropagateRequestIdLayer::new(HEADER.clone())
}

/// What the log says of a request: its path, and never its query, which can hold a token.
pub(super) fn span<B>(request: &axum::http::Request<B>) -> Span {
    let id = request.headers().get(&HEADER).and_then(|id| id.to_str().ok()).unwrap_or_default();
    info_span!(
        "request",
        http.method = %request.method(),
        http.path = request.uri().path(),
        request.id = id,
    )
}
