//! Counts answers by route, never by a path that a client made up.

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};

use crate::http::state::Http;

pub(in crate::http) async fn count_answer(
    State(http): State<Http>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    let route = path.as_ref().map_or("none", MatchedPath::as_str);
    http.metrics.answered(route, response.status().as_u16());
    response
}
