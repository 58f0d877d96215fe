//! `GET /api/livekit/participants?room=R`: the list of one room.

use axum::{
    Extension,
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue},
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
            conditional::{etag, json_unless_known},
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
    let answer = json_unless_known(&headers, etag(version), || match &reading.snapshot {
        Some(snapshot) => KeptFrame::of(snapshot).into_bytes(&http.pinned, &connection),
        None => Ok(Bytes::from_static(b"[]")),
    })?;
    let source = HeaderValue::from_static(result.as_str());
    Ok(([(HeaderName::from_static("x-cache"), source)], answer).into_response())
}
