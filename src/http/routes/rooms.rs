//! `GET /api/livekit/rooms`: the active rooms with their counts.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::http::{
    auth::Client,
    problem::Problem,
    respond::{
        conditional::is_known,
        kept_answer::{KeptFrame, SlowClient},
    },
    state::Http,
};

pub(in crate::http) async fn list(
    State(http): State<Http>,
    Extension(connection): Extension<SlowClient>,
    client: Client,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    client.may_list()?;
    let list = http.room_list.newest(&http.hub).await?;
    let is_known = is_known(&headers, &list.etag);
    let caching = [
        (header::ETAG, list.etag.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let json = KeptFrame::whole(Arc::clone(&list.frame)).into_bytes(&http.pinned, &connection)?;
    Ok((caching, [(header::CONTENT_TYPE, "application/json")], Body::from(json)).into_response())
}
