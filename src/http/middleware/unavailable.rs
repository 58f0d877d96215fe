//! Says in the log why requests are answered 503: every reason once a minute, never once a request. A 503 that nobody can
//! explain from the log is a fault of its own, so this looks at every answer, wherever it comes from.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::StatusCode,
    middleware::Next,
    response::Response,
};
use tracing::warn;

use crate::http::{limits::repeats::Repeats, problem::Why};

/// What was said, by route.
#[derive(Default)]
pub(in crate::http) struct UnavailableLog(Repeats<(String, Why)>);

impl UnavailableLog {
    /// Logs why an answer is 503, if it is.
    pub fn look_at(&self, route: &str, response: &Response) {
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            let unexplained = || Why { detail: "no reason was given".to_owned(), cause: None };
            let why = response.extensions().get::<Why>().cloned().unwrap_or_else(unexplained);
            self.note(route, why);
        }
    }

    /// Logs it, unless that was done lately.
    fn note(&self, route: &str, why: Why) {
        let reason = (route.to_owned(), why.clone());
        let Some(unsaid) = self.0.unsaid(reason, Instant::now()) else { return };
        warn!(
            http.route = route,
            reason = why.detail,
            error = why.cause,
            more = unsaid,
            "answered 503; said once a minute"
        );
    }
}

/// Looks at each answer.
pub(in crate::http) async fn log(
    State(log): State<Arc<UnavailableLog>>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    log.look_at(path.as_ref().map_or("none", MatchedPath::as_str), &response);
    response
}
