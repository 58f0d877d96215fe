//! `GET /api/livekit/rooms`: the active rooms with their counts.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{hub::json, presence::RoomName};

use super::{
    Http,
    etag::{etag, is_known},
    problem::Problem,
    reader::Reader,
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RoomBody {
    name: RoomName,
    num_participants: usize,
    /// Whether that is known to be everybody.
    exact: bool,
}

pub(super) async fn list(
    State(http): State<Http>,
    reader: Reader,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    reader.may_list()?;
    let mut rooms: Vec<RoomBody> = http
        .hub
        .rooms()
        .await?
        .into_iter()
        .map(|room| RoomBody {
            name: room.name,
            num_participants: room.count,
            exact: room.is_whole,
        })
        .collect();
    rooms.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let json = json::line(&rooms);
    let digest = Sha256::digest(&json);
    let etag = etag(u64::from_be_bytes(digest[..8].try_into().expect("eight bytes of 32")));
    let is_known = is_known(&headers, &etag);
    let caching =
        [(header::ETAG, etag), (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    Ok((caching, [(header::CONTENT_TYPE, "application/json")], json).into_response())
}
