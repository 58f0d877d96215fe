//! The parsers that `fuzz/` reaches and nobody else. Compiled only for fuzzing (`--cfg fuzzing`).

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, Request},
};
use futures_util::FutureExt;

use crate::presence::{RoomName, Version};

use super::{extract::query::RoomParams, routes::stream};

/// The rooms that a query string names; none where the request would be refused.
pub fn rooms(query: &str) -> Option<Vec<RoomName>> {
    let request = Request::get(format!("/?{query}")).body(()).ok()?;
    let (mut parts, ()) = request.into_parts();
    let rooms = RoomParams::from_request_parts(&mut parts, &()).now_or_never()?.ok()?;
    Some(rooms.0)
}

/// What a `Last-Event-ID` with this value says.
pub fn last_event_id(value: &[u8]) -> Option<Version> {
    let mut headers = HeaderMap::new();
    headers.insert("last-event-id", HeaderValue::from_bytes(value).ok()?);
    stream::last_event_id(&headers, "")
}
