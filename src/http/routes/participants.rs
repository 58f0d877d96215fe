//! `GET /api/livekit/participants?room=R`: the list of one room.

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    http::{
        auth::Client,
        extract::query::RoomParam,
        limits::client_address::ClientAddress,
        metrics::CacheResult,
        problem::Problem,
        respond::{
            conditional::{etag, is_known},
            kept_answer::{KeptFrame, SlowClient},
        },
        state::Http,
    },
    hub::Source,
    presence::Version,
};

pub(in crate::http) async fn list(
    State(http): State<Http>,
    Extension(connection): Extension<SlowClient>,
    RoomParam(room): RoomParam,
    client: Client,
    address: ClientAddress,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    client.may_read(&room)?;
    let reading = http.hub.read(&room, || http.limits.may_look_up(address)).await?;
    let result = match reading.source {
        _ if !reading.is_complete => CacheResult::Stale,
        Source::Hot => CacheResult::Hot,
        Source::Store => CacheResult::Store,
        Source::LiveKit => CacheResult::LiveKit,
    };
    http.metrics.read(result);
    let version = reading.snapshot.as_ref().map_or(Version::ZERO, |snapshot| snapshot.version());
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
    let json = match &reading.snapshot {
        Some(snapshot) => KeptFrame::of(snapshot).into_bytes(&http.pinned, &connection)?,
        None => Bytes::from_static(b"[]"),
    };
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    Ok((caching, content_type, Body::from(json)).into_response())
}
