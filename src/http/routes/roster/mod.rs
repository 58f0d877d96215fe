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
    livekit::{Grants, ParticipantUpdate},
    moderation::ModerationError,
    presence::{Identity, RoomName},
    roster::{Edited, Preconditions, Roster, RosterEdit, RosterEntry, RosterError},
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

/// Applies in LiveKit what people in the room may do from now on. Somebody for whom that fails does not keep the others from it.
async fn apply(
    http: &Http,
    room: &RoomName,
    edited: impl IntoIterator<Item = &Edited>,
    by: &str,
) -> Result<(), Problem> {
    let mut outcome = Ok(());
    for (identity, grants) in edited.into_iter().filter_map(|one| one.to_apply.as_ref()) {
        if let Err(error) = apply_grants(http, room, identity, grants, by).await {
            let is_of_all = matches!(
                error,
                ModerationError::TooMany(_)
                    | ModerationError::Unreachable(_)
                    | ModerationError::Refused { .. }
                    | ModerationError::Store(_)
                    | ModerationError::Coordination(_)
            );
            outcome =
                Err(Problem::from(error).after("the roster says so now, but not LiveKit yet"));
            if is_of_all {
                break;
            }
        }
    }
    outcome
}

/// Gives somebody in a room the permission that LiveKit has for these grants. Somebody who has left by now gets it with their next
/// token.
async fn apply_grants(
    http: &Http,
    room: &RoomName,
    identity: &Identity,
    grants: &Grants,
    by: &str,
) -> Result<(), ModerationError> {
    let Some(moderation) = &http.moderation else { return Ok(()) };
    let permission = Some(grants.permission());
    let update = ParticipantUpdate { permission, ..ParticipantUpdate::default() };
    match moderation.update(room, identity, update, by).await {
        Ok(_) | Err(ModerationError::Absent(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Has the roster say of somebody what a moderator let them do in LiveKit.
pub(in crate::http) async fn note_rights(
    http: &Http,
    room: &RoomName,
    identity: &Identity,
    can_speak: bool,
    can_video: bool,
) -> Result<(), Problem> {
    let Some(roster) = &http.roster else { return Ok(()) };
    let edit = RosterEdit::of_rights(can_speak, can_video);
    match roster.patch(room, identity.as_str(), edit, &Preconditions::default()).await {
        // Hidden people, and agents that nobody has invited, are in no roster.
        Ok(_) | Err(RosterError::Absent) => Ok(()),
        Err(error) => {
            Err(Problem::from(error)
                .after("LiveKit does so now, but the roster does not say it yet"))
        }
    }
}
