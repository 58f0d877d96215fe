//! Rosters: who is expected in a room, in which role, and who is there. Who may read the room's list reads its roster, and its
//! moderators write it.

pub(in crate::http) mod collection;
pub(in crate::http) mod entry;
mod problem;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    http::{
        problem::Problem,
        respond::{conditional::etag, table::json_answer},
        state::{Http, HttpState},
    },
    livekit::Grants,
    presence::{Identity, RoomName},
    roster::{Edited, Roster, RosterEntry},
};

pub(in crate::http) fn roster(http: &HttpState) -> Result<&Roster, Problem> {
    http.roster.as_ref().ok_or_else(|| {
        Problem::absent(
            "rosters need a database, and none is kept here; set `history.url` (see docs/configuration.md)",
        )
    })
}

/// An entry with its tag. Nobody may keep it: whether the person is there is no part of the tag.
fn entry_answer(status: StatusCode, entry: &RosterEntry) -> Response {
    let tag: HeaderValue = etag(&entry.version);
    (status, [(header::ETAG, tag)], json_answer(entry)).into_response()
}

/// Applies in LiveKit what people in the room may do from now on.
async fn apply(
    http: &Http,
    room: &RoomName,
    edited: impl IntoIterator<Item = &Edited>,
    by: &str,
) -> Result<(), Problem> {
    for (identity, grants) in edited.into_iter().filter_map(|one| one.to_apply.as_ref()) {
        apply_grants(http, room, identity, grants, by).await?;
    }
    Ok(())
}

/// Gives somebody in a room the permission that LiveKit has for these grants.
#[expect(clippy::unused_async, reason = "moderation, which does it, is not here yet")]
async fn apply_grants(
    _http: &Http,
    _room: &RoomName,
    _identity: &Identity,
    _grants: &Grants,
    _by: &str,
) -> Result<(), Problem> {
    Ok(())
}
