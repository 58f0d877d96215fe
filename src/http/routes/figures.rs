//! `GET /api/livekit/figures`: what happened in the last hour, on this instance or on all of them, for charts.

use axum::{
    extract::{RawQuery, State},
    http::header,
    response::{IntoResponse, Response},
};

use crate::{
    coordination::CoordinationError,
    error_chain::Chain,
    http::{auth::Client, extract::query::single, problem::Problem, state::Http},
    json,
};

pub(in crate::http) async fn read(
    State(http): State<Http>,
    client: Client,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    client.may_look_inside()?;
    let query = query.unwrap_or_default();
    let (since, is_of_all) = (since(&query)?, is_of_all(&query)?);
    let shown = match &http.observed.fleet {
        Some(fleet) if is_of_all => {
            fleet.since(since, http.clock.now()).await.map_err(|error| unread(&error))?
        }
        Some(_) | None => http.observed.figures.since(since),
    };
    let body = json::line(&shown);
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, body).into_response())
}

/// Whether the sum over all instances is asked for. An instance that shares its store with no other is all there is.
fn is_of_all(query: &str) -> Result<bool, Problem> {
    match single(query, "instances")?.as_deref() {
        None => Ok(false),
        Some("all") => Ok(true),
        Some(_) => Err(Problem::bad_request(
            "`instances` must be `all`; leave it out for the instance that answers",
        )),
    }
}

fn unread(error: &CoordinationError) -> Problem {
    let detail = "what the other instances did cannot be read at the moment; leave out `instances` for the one that answers";
    Problem::unavailable(detail, 5).because(Chain(error))
}

fn since(query: &str) -> Result<u64, Problem> {
    let Some(since) = single(query, "since")? else { return Ok(0) };
    since.parse().map_err(|_| {
        Problem::bad_request(
            "`since` must be milliseconds since 1970, such as the last of `times` of the answer before",
        )
    })
}
