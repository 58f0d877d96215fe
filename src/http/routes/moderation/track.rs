//! `PATCH …/rooms/{room}/participants/{identity}/tracks/{sid}`: mutes a track, or has it heard again.

use axum::{extract::State, response::Response};
use serde::Deserialize;

use crate::http::{
    auth::Moderator,
    extract::{
        in_path::{PersonInPath, TrackInPath},
        json_body::JsonBody,
    },
    problem::Problem,
    state::Http,
};

use super::{moderation, shown};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Change {
    muted: bool,
}

pub(in crate::http) async fn change(
    State(http): State<Http>,
    Moderator { room, by }: Moderator,
    PersonInPath(identity): PersonInPath,
    TrackInPath(track): TrackInPath,
    JsonBody(Change { muted }): JsonBody<Change>,
) -> Result<Response, Problem> {
    let track = moderation(&http)?.mute(&room, &identity, &track, muted, &by).await?;
    Ok(shown(track.as_ref()))
}
