//! Limits how often an address asks.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};

use crate::http::{limits::client_address::ClientAddress, problem::Problem, state::Http};

/// A request for metrics costs as much as this many requests for health: all series are written out for it.
const METRICS_COST: usize = 5;

/// Limits how often an address reads.
pub(in crate::http) async fn limit_reads(
    State(http): State<Http>,
    address: ClientAddress,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    http.limits.take_reads(address, 1)?;
    Ok(next.run(request).await)
}

/// Limits how often an address asks for health.
pub(in crate::http) async fn limit_health(
    State(http): State<Http>,
    address: ClientAddress,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    http.limits.take_health_checks(address, 1)?;
    Ok(next.run(request).await)
}

/// Limits how often an address asks for metrics.
pub(in crate::http) async fn limit_metrics(
    State(http): State<Http>,
    address: ClientAddress,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    http.limits.take_health_checks(address, METRICS_COST)?;
    Ok(next.run(request).await)
}
