//! Extracts `Last-Event-ID`, as an `EventSource` and its polyfills send it.

use std::{borrow::Cow, convert::Infallible};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};

use crate::{hub::ResumeFrom, presence::Version, sse::REPLACED_ID};

use super::query;

/// The id of the event that the client was sent last, if it names one.
pub(in crate::http) struct LastEventId(Option<String>);

impl LastEventId {
    /// The version that the client was sent last.
    pub fn version(&self) -> Option<Version> {
        self.0.as_ref()?.parse().ok().map(Version::from_u64)
    }

    /// The place in the log of events from which the client goes on. An empty id is none (HTML, 9.2.4).
    pub fn place_in_log(&self) -> ResumeFrom {
        match self.0.as_deref() {
            None | Some("") => ResumeFrom::Now,
            Some(id) => id.parse().map_or(ResumeFrom::Unknown, ResumeFrom::After),
        }
    }

    /// Whether the client's stream was ended for good, because its identity has newer ones. An `EventSource` comes back all the
    /// same; the answer 204 stops it (HTML standard, 9.2.3).
    pub fn is_of_replaced_stream(&self) -> bool {
        self.0.as_deref() == Some(REPLACED_ID)
    }
}

impl<S: Sync> FromRequestParts<S> for LastEventId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(last_id(&parts.headers, query).map(Cow::into_owned)))
    }
}

/// From the header, failing that from the query. A script that opens a new `EventSource` can set no header, so it writes the id
/// into the query. When that `EventSource` comes back by itself, the browser adds the header, which is newer.
fn last_id<'request>(
    headers: &'request HeaderMap,
    query: &'request str,
) -> Option<Cow<'request, str>> {
    match headers.get("last-event-id") {
        Some(id) => Some(String::from_utf8_lossy(id.as_bytes())),
        // A polyfill that comes back by itself appends its own id to the address it was given, so the last one is the newest.
        None => query::values_of_any(query, is_last_event_id).last()?,
    }
}

/// Polyfills of `EventSource` that send no header call the parameter `lastEventId` (Yaffle's). Clients of Mercure call it
/// `lastEventID` or `Last-Event-ID`.
fn is_last_event_id(name: &str) -> bool {
    let letters = name.bytes().filter(|byte| !matches!(byte, b'_' | b'-'));
    letters.map(|byte| byte.to_ascii_lowercase()).eq(*b"lasteventid")
}
