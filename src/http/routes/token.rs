//! `POST /api/livekit/token`: a token of LiveKit, with which a page joins a room. By GET for development.

use axum::{extract::State, http::Uri, response::Response};

use crate::http::{
    extract::{
        json_body::JsonBody,
        query::{self, RoomParam},
    },
    problem::Problem,
    state::Http,
    tokens::{
        caller::{Asked, Caller},
        issue,
    },
};

pub(in crate::http) async fn issue(
    State(http): State<Http>,
    caller: Caller,
    JsonBody(asked): JsonBody<Asked>,
) -> Result<Response, Problem> {
    let person = caller.person(&http, &asked).await?;
    issue::issue(&http, &asked.room, person).await
}

pub(in crate::http) async fn issue_insecurely(
    State(http): State<Http>,
    room: Result<RoomParam, Problem>,
    address: Uri,
) -> Result<Response, Problem> {
    let username = query::single(address.query().unwrap_or_default(), "username");
    issue::issue_insecurely(&http, room, username).await
}
