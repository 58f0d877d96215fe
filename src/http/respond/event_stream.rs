//! The response of a stream: its head, and what a worker needs to serve it.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::Response,
};
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;

use crate::{
    delivery::{CloseReason, Handoff, HandoffWatch, Permit, StreamEnd},
    http::{auth::Client, state::HttpState},
    hub::OpenedFeed,
    sse::CONTENT_TYPE,
};

/// The response of a stream: its head, and in its extensions what a worker needs to serve the stream.
pub(in crate::http) fn hand_off(
    http: &HttpState,
    client: &Client,
    watches: Vec<HandoffWatch>,
    permit: Permit,
) -> Response {
    respond(Handoff { preface: None, watches, end: end_of(http, client), permit })
}

/// The response of a feed of events.
pub(in crate::http) fn hand_off_feed(
    http: &HttpState,
    client: &Client,
    feed: OpenedFeed,
    permit: Permit,
) -> Response {
    let OpenedFeed { subscription, version, preface, is_part } = feed;
    let preface = Some(preface);
    if is_part {
        // The client comes back for the rest. It is sent nothing of the topic, since that would be out of order.
        let end = StreamEnd { at: Instant::now(), reason: CloseReason::Lagged };
        return respond(Handoff { preface, watches: Vec::new(), end, permit });
    }
    let watches = vec![HandoffWatch { subscription, has: Some(version) }];
    respond(Handoff { preface, watches, end: end_of(http, client), permit })
}

fn respond(handoff: Handoff) -> Response {
    let mut response = head();
    response.extensions_mut().insert(HandoffExtension::new(handoff));
    response
}

/// The head of every stream. The connection closes when the stream ends.
pub(in crate::http) fn head() -> Response {
    // The body has an unknown length, because axum adds `Content-Length: 0` to an empty one.
    let mut response = Response::new(Body::new(StreamBody::new(stream::empty::<Nothing>())));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    // Without this header nginx buffers the stream.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

type Nothing = Result<Frame<Bytes>, std::convert::Infallible>;

/// A stream ends at the token's expiry or at the greatest age, whichever comes first.
fn end_of(http: &HttpState, client: &Client) -> StreamEnd {
    let now = Instant::now();
    let age = http.streams.max_age.mul_f64(fastrand::f64().mul_add(0.2, 0.8));
    let by_age = StreamEnd { at: now + age, reason: CloseReason::MaxAge };
    let clock = http.clock.now();
    let Some(expires_at) = client.ends_at(clock.as_secs()) else { return by_age };
    let expires_in =
        Duration::from_secs(expires_at).saturating_sub(Duration::from_micros(clock.as_micros()));
    if expires_in < age {
        StreamEnd { at: now + expires_in, reason: CloseReason::Expired }
    } else {
        by_age
    }
}

/// A [`Handoff`] in the extensions of a response. The connection that the response belongs to takes it; where nobody does, the
/// stream ends with the response.
#[derive(Clone)]
pub(in crate::http) struct HandoffExtension(Arc<Mutex<Option<Handoff>>>);

impl HandoffExtension {
    fn new(handoff: Handoff) -> Self {
        Self(Arc::new(Mutex::new(Some(handoff))))
    }

    pub fn take(&self) -> Option<Handoff> {
        self.0.lock().expect("never held in a panic").take()
    }
}
