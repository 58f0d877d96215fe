//! `GET /api/livekit/participants?room=R`: the list of one room; with `view=count` its numbers.

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
        extract::{query::RoomParam, view::ViewParam},
        limits::client_address::ClientAddress,
        metrics::CacheResult,
        problem::Problem,
        respond::{
            conditional::{etag, json_unless_known, weak_etag},
            kept_answer::{KeptFrame, SlowClient},
        },
        state::Http,
    },
    hub::Reading,
    presence::{Counts, Version},
};

pub(in crate::http) async fn list(
    State(http): State<Http>,
    Extension(connection): Extension<SlowClient>,
    RoomParam(room): RoomParam,
    view: ViewParam,
    client: Client,
    address: ClientAddress,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    client.may_read(&room)?;
    let reading = http.hub.read(&room, || http.limits.may_look_up(address)).await?;
    let result = CacheResult::of(reading.source, reading.is_complete);
    http.metrics.read(result);
    let answer = match view {
        ViewParam::Participants => {
            let version = reading.snapshot.as_ref().map_or(Version::ZERO, |one| one.version());
            json_unless_known(&headers, etag(version), || match &reading.snapshot {
                Some(snapshot) => KeptFrame::of(snapshot).into_bytes(&http.pinned, &connection),
                None => Ok(Bytes::from_static(b"[]")),
            })?
        }
        ViewParam::Counts => counts(&headers, &reading)?,
    };
    let source = HeaderValue::from_static(result.as_str());
    Ok(([(HeaderName::from_static("x-cache"), source)], answer).into_response())
}

/// The numbers of the list. Their tag leaves out the version, so that a client is sent only what it does not know.
fn counts(headers: &HeaderMap, reading: &Reading) -> Result<Response, Problem> {
    let Some(snapshot) = &reading.snapshot else {
        let nobody = br#"{"people":0,"agents":0,"publishers":0,"version":0}"#;
        return json_unless_known(headers, weak_etag("0-0-0"), || Ok(Bytes::from_static(nobody)));
    };
    let Counts { people, agents, publishers } = snapshot.counts();
    let tag = weak_etag(format_args!("{people}-{agents}-{publishers}"));
    json_unless_known(headers, tag, || Ok(snapshot.counts_json().into()))
}
