//! `GET /api/livekit/figures`: what happened on this instance in the last hour, for charts.

use axum::{
    extract::{RawQuery, State},
    http::header,
    response::{IntoResponse, Response},
};

use crate::{
    http::{auth::Client, extract::query::single, problem::Problem, state::Http},
    json,
};

pub(in crate::http) async fn read(
    State(http): State<Http>,
    client: Client,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    client.may_look_inside()?;
    let since = since(query.as_deref().unwrap_or_default())?;
    let body = json::line(&http.observed.figures.since(since));
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, body).into_response())
}

fn since(query: &str) -> Result<u64, Problem> {
    let Some(since) = single(query, "since")? else { return Ok(0) };
    since.parse().map_err(|_| {
        Problem::bad_request(
            "`since` must be milliseconds since 1970, such as the last of `times` of the answer before",
        )
    })
}
