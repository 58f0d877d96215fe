//! `GET /api/livekit/rooms/{room}`: one room without its people: its numbers and its metadata.

use axum::{
    Extension,
    extract::State,
    http::{HeaderName, HeaderValue},
    response::{IntoResponse, Response},
};

use crate::{
    http::{
        auth::Client,
        extract::in_path::RoomInPath,
        limits::client_address::ClientAddress,
        metrics::CacheResult,
        problem::Problem,
        respond::{
            conditional::{KnownTags, json_unless_known},
            kept_answer::{KeptFrame, SlowClient},
        },
        room_list::EncodedAnswer,
        state::Http,
    },
    json,
};

pub(in crate::http) async fn read(
    State(http): State<Http>,
    Extension(connection): Extension<SlowClient>,
    RoomInPath(room): RoomInPath,
    client: Client,
    address: ClientAddress,
    known: KnownTags,
) -> Result<Response, Problem> {
    client.may_read(&room)?;
    let about = http.hub.about(&room, || http.limits.may_look_up(address)).await?;
    let result = CacheResult::of(about.source, about.is_complete);
    http.metrics.read(result);
    // Its metadata changes without the version, and may be long.
    let EncodedAnswer { frame, etag } = EncodedAnswer::of(&json::line(&about));
    let answer = json_unless_known(&known, etag, || {
        KeptFrame::whole(frame).into_bytes(&http.pinned, &connection)
    })?;
    let source = HeaderValue::from_static(result.as_str());
    Ok(([(HeaderName::from_static("x-cache"), source)], answer).into_response())
}
