//! The parsers that `fuzz/` reaches and nobody else. Compiled only for fuzzing (`--cfg fuzzing`).

use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, Request},
};
use futures_util::FutureExt;

use crate::presence::{RoomName, Version};

use super::extract::{last_event_id::LastEventId, streamed_rooms::StreamedRooms};

/// The rooms that a query string names; none where the request would be refused, or is about all rooms.
pub fn rooms(query: &str) -> Option<Vec<RoomName>> {
    let request = Request::get(format!("/?{query}")).body(()).ok()?;
    let (mut parts, ()) = request.into_parts();
    match StreamedRooms::from_request_parts(&mut parts, &()).now_or_never()?.ok()? {
        StreamedRooms::Named(rooms) => Some(rooms),
        StreamedRooms::All { .. } => None,
    }
}

/// What a `Last-Event-ID` with this value says.
pub fn last_event_id(value: &[u8]) -> Option<Version> {
    let request = Request::get("/")
        .header("last-event-id", HeaderValue::from_bytes(value).ok()?)
        .body(())
        .ok()?;
    let (mut parts, ()) = request.into_parts();
    let id = LastEventId::from_request_parts(&mut parts, &()).now_or_never()?.ok()?;
    id.version()
}
