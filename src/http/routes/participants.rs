//! `GET /api/livekit/participants?room=R`: the list of one room; with `view=count` its numbers.

use axum::{
    Extension,
    body::Bytes,
    extract::State,
    http::{HeaderName, HeaderValue},
    response::Response,
};

use crate::{
    http::{
        auth::Client,
        extract::{query::RoomParam, view::ViewParam},
        limits::client_address::ClientAddress,
        metrics::CacheResult,
        problem::Problem,
        respond::{
            conditional::{KnownTags, etag, json_unless_known, weak_etag},
            kept_answer::{KeptFrame, SlowClient},
        },
        state::Http,
    },
    presence::Counts,
};

static X_CACHE: HeaderName = HeaderName::from_static("x-cache");

pub(in crate::http) async fn list(
    State(http): State<Http>,
    Extension(connection): Extension<SlowClient>,
    RoomParam(room): RoomParam,
    view: ViewParam,
    client: Client,
    address: ClientAddress,
    known: KnownTags,
) -> Result<Response, Problem> {
    client.may_read(&room)?;
    let reading = http.hub.read_list(&room, || http.limits.may_look_up(address)).await?;
    let result = CacheResult::of(reading.source, reading.is_complete);
    http.metrics.read(result);
    let mut answer = match view {
        ViewParam::Participants => json_unless_known(&known, etag(reading.version), || {
            let Some((frame, json)) = http.hub.encoded(&room, reading) else {
                return Ok(Bytes::from_static(b"[]"));
            };
            KeptFrame::part(frame, json).into_bytes(&http.pinned, &connection)
        })?,
        ViewParam::Counts => {
            // Their tag leaves out the version, so that a client is sent only what it does not know.
            let Counts { people, agents, publishers } = reading.counts();
            let tag = weak_etag(format_args!("{people}-{agents}-{publishers}"));
            json_unless_known(&known, tag, || Ok(reading.counts_json().into()))?
        }
    };
    answer.headers_mut().insert(X_CACHE.clone(), HeaderValue::from_static(result.as_str()));
    Ok(answer)
}
