//! `GET /api/livekit/participants?room=R`: the list of one room.

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::sync::OwnedSemaphorePermit;

use crate::{hub::Source, presence::Version};

use super::{
    Http,
    client_address::ClientAddress,
    etag::{etag, is_known},
    metrics::CacheResult,
    problem::Problem,
    query::RoomParam,
    reader::Reader,
};

pub(super) async fn list(
    State(http): State<Http>,
    RoomParam(room): RoomParam,
    reader: Reader,
    address: ClientAddress,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    reader.may_read(&room)?;
    let reading = http.hub.read(&room, || http.limits.may_look_up(address)).await?;
    let result = match reading.source {
        _ if !reading.is_confirmed => CacheResult::stale,
        Source::Hot => CacheResult::hot,
        Source::Store => CacheResult::store,
        Source::LiveKit => CacheResult::livekit,
    };
    http.metrics.read(result);
    let version = reading.edition.as_ref().map_or(Version::ZERO, |edition| edition.version());
    let etag = etag(version);
    let is_known = is_known(&headers, &etag);
    let caching = [
        (header::ETAG, etag),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (HeaderName::from_static("x-cache"), HeaderValue::from_static(result.as_str())),
    ];
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let json = match &reading.edition {
        // Streams show it too, and so do others who ask.
        Some(edition) if reading.source == Source::Hot => Bytes::from_owner(edition.json()),
        Some(edition) => {
            let json = edition.json();
            let reserved = http.limits.reserve_answer(json.as_ref().len()).ok_or_else(|| {
                Problem::unavailable(
                    "too many lists are on their way to slow clients; ask again",
                    1,
                )
            })?;
            Bytes::from_owner(Counted { json, _reserved: reserved })
        }
        None => Bytes::from_static(b"[]"),
    };
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    Ok((caching, content_type, Body::from(json)).into_response())
}

/// A list that is in memory for one answer, until that is written.
struct Counted<Json> {
    json: Json,
    _reserved: OwnedSemaphorePermit,
}

impl<Json: AsRef<[u8]>> AsRef<[u8]> for Counted<Json> {
    fn as_ref(&self) -> &[u8] {
        self.json.as_ref()
    }
}
