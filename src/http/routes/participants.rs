//! `GET /api/livekit/participants?room=R`: the list of one room; with `view=count` its numbers.

use axum::{
    Extension,
    body::Bytes,
    extract::State,
    http::{HeaderName, HeaderValue, request::Parts},
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
        state::{Http, HttpState},
    },
    presence::Counts,
};

static X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// Where it is.
pub(in crate::http) const PATH: &str = "/api/livekit/participants";

pub(in crate::http) async fn list(
    State(http): State<Http>,
    Extension(connection): Extension<SlowClient>,
    parts: Parts,
) -> Result<Response, Problem> {
    let address = ClientAddress::of_request(&http, &parts.extensions, &parts.headers)?;
    answer(&http, &connection, &parts, address).await
}

/// Answers a request that comes from this address.
pub(in crate::http) async fn answer(
    http: &HttpState,
    connection: &SlowClient,
    parts: &Parts,
    address: ClientAddress,
) -> Result<Response, Problem> {
    let RoomParam(room) = RoomParam::of(parts)?;
    let view = ViewParam::of(parts)?;
    Client::of(parts, http)?.may_read(&room)?;
    let known = KnownTags::of(&parts.headers);
    let reading = http.hub.read_list(&room, || http.limits.may_look_up(address)).await?;
    let result = CacheResult::of(reading.source, reading.is_complete);
    http.metrics.read(result);
    let mut answer = match view {
        ViewParam::Participants => json_unless_known(&known, etag(reading.version), || {
            let Some((frame, json)) = http.hub.encoded(&room, reading) else {
                return Ok(Bytes::from_static(b"[]"));
            };
            KeptFrame::part(frame, json).into_bytes(&http.pinned, connection)
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
