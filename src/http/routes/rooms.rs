//! `GET /api/livekit/rooms`: the active rooms with their counts.

use std::sync::Arc;

use axum::{Extension, extract::State, http::HeaderMap, response::Response};

use crate::http::{
    auth::Client,
    problem::Problem,
    respond::{
        conditional::json_unless_known,
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
    json_unless_known(&headers, list.etag.clone(), || {
        KeptFrame::whole(Arc::clone(&list.frame)).into_bytes(&http.pinned, &connection)
    })
}
