//! What moderators do through LiveKit, in the room that the path names.

pub(in crate::http) mod mute_all;
pub(in crate::http) mod participant;
mod refusal;
pub(in crate::http) mod room;
pub(in crate::http) mod track;

use std::sync::Arc;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{
    http::{problem::Problem, respond::table::json_answer, state::HttpState},
    moderation::Moderation,
};

fn moderation(http: &HttpState) -> Result<&Arc<Moderation>, Problem> {
    http.moderation.as_ref().ok_or_else(Problem::no_livekit)
}

/// Something as the list shows it now; no content where the list does not show it.
fn shown(now: Option<&impl Serialize>) -> Response {
    now.map_or_else(|| StatusCode::NO_CONTENT.into_response(), json_answer)
}
