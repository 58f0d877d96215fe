//! `GET /metrics`: everything that is counted, as `OpenMetrics`.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use crate::http::{problem::Problem, state::Http};

pub(in crate::http) async fn show(State(http): State<Http>) -> Result<Response, Problem> {
    http.hub.count_rooms();
    let text = http.observed.metrics().map_err(|_| Problem::internal())?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}
