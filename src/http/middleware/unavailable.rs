//! Logs why requests are answered 503, each reason once a minute. The log must explain every 503, so this looks at all answers,
//! wherever they come from.

use std::time::Instant;

use axum::{http::StatusCode, response::Response};
use tracing::warn;

use crate::http::{limits::repeats::Repeats, problem::Why};

/// The reasons that were logged lately, by route.
#[derive(Default)]
pub(in crate::http) struct UnavailableLog(Repeats<(String, Why)>);

impl UnavailableLog {
    /// Logs why an answer is 503, if it is, or why a WebSocket is closed for the same reason.
    pub fn look_at(&self, route: &str, response: &Response) {
        let is_explained = response.extensions().get::<Why>().is_some();
        if response.status() == StatusCode::SERVICE_UNAVAILABLE || is_explained {
            let unexplained = || Why { detail: "no reason was given".to_owned(), cause: None };
            let why = response.extensions().get::<Why>().cloned().unwrap_or_else(unexplained);
            self.note(route, why);
        }
    }

    /// Logs a reason, unless it was logged lately.
    fn note(&self, route: &str, why: Why) {
        let reason = (route.to_owned(), why.clone());
        let Some(unsaid) = self.0.unsaid(reason, Instant::now()) else { return };
        warn!(
            http.route = route,
            reason = why.detail,
            error = why.cause,
            more = unsaid,
            "answered 503 (logged once a minute)"
        );
    }
}
