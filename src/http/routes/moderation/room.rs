//! `DELETE …/rooms/{room}`: ends a room, and removes everybody in it.

use axum::{extract::State, http::StatusCode};

use crate::http::{auth::Moderator, problem::Problem, state::Http};

use super::moderation;

pub(in crate::http) async fn end(
    State(http): State<Http>,
    Moderator { room, by }: Moderator,
) -> Result<StatusCode, Problem> {
    moderation(&http)?.end_room(&room, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}
