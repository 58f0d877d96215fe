//! Answers every request within five seconds. LiveKit has no timeout for the answer to a webhook, and sends the room's next
//! webhook only after it.

use std::time::Duration;

use axum::{extract::Request, middleware::Next, response::Response};
use tokio::time::timeout;

use crate::http::problem::Problem;

const ANSWER_WITHIN: Duration = Duration::from_millis(4_500);

pub(in crate::http) async fn answer_in_time(
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    timeout(ANSWER_WITHIN, next.run(request))
        .await
        .map_err(|_| Problem::unavailable("this could not be answered in time; send it again", 1))
}
