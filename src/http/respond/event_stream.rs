//! The response of a stream: its head, and what a worker needs to serve it.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes, HttpBody},
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
    sse::{CONTENT_TYPE, Framing},
    web_socket::Close,
};

/// The response of a stream: its head, and in its extensions what a worker needs to serve the stream.
pub(in crate::http) fn hand_off(
    http: &HttpState,
    client: &Client,
    watches: Vec<HandoffWatch>,
    permit: Permit,
) -> Response {
    let end = end_of(http, client, age_end(http));
    respond(Handoff { preface: None, watches, end, permit, client: None })
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
        return respond(Handoff { preface, watches: Vec::new(), end, permit, client: None });
    }
    let watches = vec![HandoffWatch { subscription, has: Some(version) }];
    let end = end_of(http, client, age_end(http));
    respond(Handoff { preface, watches, end, permit, client: None })
}

fn respond(handoff: Handoff) -> Response {
    let mut response = head();
    response.extensions_mut().insert(HandoffExtension::new(HandedOff::Stream(handoff)));
    response
}

/// The head of every stream. The connection closes when the stream ends.
pub(in crate::http) fn head() -> Response {
    let mut response = Response::new(Body::new(body_of_unknown_length()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    // Without this header nginx buffers the stream.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The body of an answer that a worker writes. axum would add `Content-Length: 0` to an empty one.
pub(super) fn body_of_unknown_length() -> impl HttpBody<Data = Bytes, Error = Infallible> {
    StreamBody::new(stream::empty::<Result<Frame<Bytes>, Infallible>>())
}

/// When a stream that opens now reaches the greatest age.
pub(in crate::http) fn age_end(http: &HttpState) -> StreamEnd {
    let age = http.streams.max_age.mul_f64(fastrand::f64().mul_add(0.2, 0.8));
    StreamEnd { at: Instant::now() + age, reason: CloseReason::MaxAge }
}

/// A stream ends at the token's expiry or at the greatest age, whichever comes first.
pub(in crate::http) fn end_of(http: &HttpState, client: &Client, by_age: StreamEnd) -> StreamEnd {
    let clock = http.clock.now();
    let Some(expires_at) = client.ends_at(clock.as_secs()) else { return by_age };
    let expires_in =
        Duration::from_secs(expires_at).saturating_sub(Duration::from_micros(clock.as_micros()));
    let by_expiry = StreamEnd { at: Instant::now() + expires_in, reason: CloseReason::Expired };
    if by_expiry.at < by_age.at { by_expiry } else { by_age }
}

/// What becomes of a connection after the head of its answer.
pub(in crate::http) enum HandedOff {
    /// A worker serves the stream.
    Stream(Handoff),
    /// It is a WebSocket, and is closed at once.
    Refused(Close),
}

impl HandedOff {
    /// How its frames are told apart. `of_body` is for an event stream.
    pub fn framing(&self, of_body: Framing) -> Framing {
        match self {
            Self::Stream(Handoff { client: None, .. }) => of_body,
            Self::Stream(_) | Self::Refused(_) => Framing::WebSocket,
        }
    }
}

/// What was [`HandedOff`], in the extensions of a response. The connection that the response belongs to takes it; where nobody
/// does, the stream ends with the response.
#[derive(Clone)]
pub(in crate::http) struct HandoffExtension(Arc<Mutex<Option<HandedOff>>>);

impl HandoffExtension {
    pub(super) fn new(handed_off: HandedOff) -> Self {
        Self(Arc::new(Mutex::new(Some(handed_off))))
    }

    pub fn take(&self) -> Option<HandedOff> {
        self.0.lock().expect("never held in a panic").take()
    }
}
