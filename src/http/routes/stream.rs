//! `GET /api/livekit/participants/stream?room=R`: the list of one room, again at each change.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;

use crate::{
    delivery::{CloseReason, Handoff, HandoffWatch, Permit, StreamEnd},
    http::{
        auth::Client,
        extract::query::{self, RoomParam},
        limits::client_address::ClientAddress,
        problem::Problem,
        state::{Http, HttpState},
    },
    hub::View,
    presence::Version,
    sse::REPLACED_ID,
};

pub(in crate::http) async fn open(
    State(http): State<Http>,
    RoomParam(room): RoomParam,
    client: Client,
    address: ClientAddress,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    client.may_read(&room)?;
    if !http.streams.enabled || was_replaced(&headers, uri.query().unwrap_or_default()) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    if method == Method::HEAD {
        return Ok(head());
    }
    let permit = http.open_stream(address, client.identity())?;
    let subscription =
        http.hub.subscribe(&room, View::Lists, || http.limits.may_look_up(address)).await?;
    let has = match last_event_id(&headers, uri.query().unwrap_or_default()) {
        Some(sent) => http.hub.catch_up(&subscription, sent).await,
        None => None,
    };
    let watch = HandoffWatch { subscription, has };
    Ok(hand_off(&http, &client, vec![watch], permit))
}

/// The response of a stream: its head, and in its extensions what a worker needs to serve the stream.
pub(in crate::http) fn hand_off(
    http: &HttpState,
    client: &Client,
    watches: Vec<HandoffWatch>,
    permit: Permit,
) -> Response {
    let handoff = Handoff { watches, end: end_of(http, client), permit };
    let mut response = head();
    response.extensions_mut().insert(HandoffExtension::new(handoff));
    response
}

/// The head of every stream. The connection ends with it.
pub(in crate::http) fn head() -> Response {
    // Of unknown length, lest somebody adds `Content-Length: 0`.
    let mut response = Response::new(Body::new(StreamBody::new(stream::empty::<Nothing>())));
    let headers = response.headers_mut();
    headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    // nginx passes on what is not buffered only if told so.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

type Nothing = Result<Frame<Bytes>, std::convert::Infallible>;

/// At the token's expiry or at the greatest age, whichever comes first.
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

/// The version that the client says it was sent last. In the query where a script opens a new `EventSource`, which takes no
/// headers; when that comes back by itself it sends the header too, which is the later word.
pub(in crate::http) fn last_event_id(headers: &HeaderMap, query: &str) -> Option<Version> {
    last_id(headers, query)?.parse().ok().map(Version::from_u64)
}

/// Whether this stream was ended for good, because its identity has newer ones, and comes back by itself. It is answered 204, which
/// tells an `EventSource` to stop (HTML standard, 9.2.3).
pub(in crate::http) fn was_replaced(headers: &HeaderMap, query: &str) -> bool {
    last_id(headers, query).is_some_and(|id| id == REPLACED_ID)
}

fn last_id<'request>(
    headers: &'request HeaderMap,
    query: &'request str,
) -> Option<Cow<'request, str>> {
    match headers.get("last-event-id") {
        Some(id) => Some(Cow::Borrowed(id.to_str().ok()?)),
        // A polyfill that comes back by itself adds its own, which is the later word, to the address it was given.
        None => query::values_of_any(query, is_last_event_id).last()?,
    }
}

/// Polyfills of `EventSource` that send no header name the parameter `lastEventId` (Yaffle's), clients of Mercure `lastEventID` or
/// `Last-Event-ID`.
fn is_last_event_id(name: &str) -> bool {
    let letters = name.bytes().filter(|byte| !matches!(byte, b'_' | b'-'));
    letters.map(|byte| byte.to_ascii_lowercase()).eq(*b"lasteventid")
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
