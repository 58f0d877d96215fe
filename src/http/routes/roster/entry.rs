//! `GET`, `PUT`, `PATCH` and `DELETE /api/livekit/rooms/{room}/roster/{identity}`: one person in a roster.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use crate::{
    http::{
        auth::{Client, Moderator},
        extract::{
            in_path::{PersonInPath, RoomInPath},
            json_body::JsonBody,
            preconditions::PreconditionHeaders,
        },
        problem::Problem,
        state::Http,
    },
    roster::{Edited, RosterEdit, RosterError},
};

use super::{apply, entry_answer, roster};

pub(in crate::http) async fn read(
    State(http): State<Http>,
    client: Client,
    RoomInPath(room): RoomInPath,
    PersonInPath(identity): PersonInPath,
) -> Result<Response, Problem> {
    client.may_read(&room)?;
    let entry = roster(&http)?.entry(&room, identity.as_str()).await?;
    Ok(entry_answer(StatusCode::OK, &entry.ok_or(RosterError::Absent)?))
}

pub(in crate::http) async fn put(
    State(http): State<Http>,
    Moderator { room, by }: Moderator,
    PersonInPath(identity): PersonInPath,
    PreconditionHeaders(preconditions): PreconditionHeaders,
    JsonBody(edit): JsonBody<RosterEdit>,
) -> Result<Response, Problem> {
    let edited = roster(&http)?.put(&room, identity.as_str(), edit, &preconditions).await?;
    apply(&http, &room, [&edited], &by).await?;
    Ok(answer(&edited))
}

pub(in crate::http) async fn patch(
    State(http): State<Http>,
    Moderator { room, by }: Moderator,
    PersonInPath(identity): PersonInPath,
    PreconditionHeaders(preconditions): PreconditionHeaders,
    JsonBody(edit): JsonBody<RosterEdit>,
) -> Result<Response, Problem> {
    let edited = roster(&http)?.patch(&room, identity.as_str(), edit, &preconditions).await?;
    apply(&http, &room, [&edited], &by).await?;
    Ok(answer(&edited))
}

pub(in crate::http) async fn remove(
    State(http): State<Http>,
    Moderator { room, by }: Moderator,
    PersonInPath(identity): PersonInPath,
    PreconditionHeaders(preconditions): PreconditionHeaders,
) -> Result<Response, Problem> {
    let edited = roster(&http)?.remove(&room, identity.as_str(), &preconditions).await?;
    apply(&http, &room, &edited, &by).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn answer(edited: &Edited) -> Response {
    let status = if edited.is_new { StatusCode::CREATED } else { StatusCode::OK };
    entry_answer(status, &edited.entry)
}
