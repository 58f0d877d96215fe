//! `GET /healthz` and `/readyz`: whether this instance lives, and whether it is fit for traffic.

use std::time::Duration;

use axum::extract::State;
use tokio::time::timeout;

use crate::http::{problem::Problem, state::Http};

/// An instance whose store takes longer to answer is not ready.
const STORE_TIMEOUT: Duration = Duration::from_secs(1);

pub(in crate::http) async fn live() -> &'static str {
    "ok\n"
}

pub(in crate::http) async fn ready(State(http): State<Http>) -> Result<&'static str, Problem> {
    if http.is_draining() {
        return Err(Problem::draining());
    }
    match timeout(STORE_TIMEOUT, http.store.check()).await {
        Ok(Ok(())) => Ok("ready\n"),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Problem::unavailable("the store does not answer", 1)),
    }
}
