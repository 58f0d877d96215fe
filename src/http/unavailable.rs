//! Says in the log why requests are answered 503: every reason once a minute, never once a request. A 503 that nobody can
//! explain from the log is a fault of its own, so this looks at every answer, wherever it comes from.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::StatusCode,
    middleware::Next,
    response::Response,
};
use tracing::warn;

/// The same reason is logged again after this time, with the number of answers since.
const SAY_AGAIN: Duration = Duration::from_mins(1);
/// Reasons that are told apart; their texts come from Redis too. The others count as one.
const MAX_REASONS: usize = 100;

/// Why an answer is 503, in its extensions: what the client is told, and the cause that only the log names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Why {
    pub detail: String,
    pub cause: Option<String>,
}

/// What was said, and when.
#[derive(Default)]
pub(super) struct UnavailableLog(Mutex<HashMap<Reason, Said>>);

/// A route and why it is not served. None stands for all reasons above the limit.
type Reason = Option<(String, Why)>;

struct Said {
    at: Instant,
    unsaid: u64,
}

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
        let Some(unsaid) = self.unsaid(Some((route.to_owned(), why.clone())), Instant::now())
        else {
            return;
        };
        warn!(
            http.route = route,
            reason = why.detail,
            error = why.cause,
            more = unsaid,
            "answered 503; said once a minute"
        );
    }

    /// How many answers were not logged since the last time, if it is time to log one.
    fn unsaid(&self, reason: Reason, now: Instant) -> Option<u64> {
        let mut said = self.0.lock().expect("nothing panics while it is locked");
        let is_new = !said.contains_key(&reason);
        if is_new && said.len() >= MAX_REASONS {
            said.retain(|_, said| now.duration_since(said.at) < SAY_AGAIN);
        }
        let is_full = is_new && said.len() >= MAX_REASONS;
        let reason = if is_full { None } else { reason };
        let Some(said) = said.get_mut(&reason) else {
            said.insert(reason, Said { at: now, unsaid: 0 });
            return Some(0);
        };
        if now.duration_since(said.at) < SAY_AGAIN {
            said.unsaid += 1;
            return None;
        }
        said.at = now;
        Some(std::mem::take(&mut said.unsaid))
    }
}

/// Looks at each answer.
pub(super) async fn log(
    State(log): State<Arc<UnavailableLog>>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    log.look_at(path.as_ref().map_or("none", MatchedPath::as_str), &response);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn because(cause: &str) -> Reason {
        let why = Why { detail: "ask again".to_owned(), cause: Some(cause.to_owned()) };
        Some(("/rooms".to_owned(), why))
    }

    #[test]
    fn each_reason_is_said_once_a_minute_with_how_often_it_came_since() {
        let log = UnavailableLog::default();
        let start = Instant::now();
        assert_eq!(log.unsaid(because("CROSSSLOT"), start), Some(0));
        assert_eq!(log.unsaid(because("CROSSSLOT"), start), None);
        assert_eq!(log.unsaid(because("CROSSSLOT"), start + SAY_AGAIN / 2), None);
        assert_eq!(log.unsaid(because("OOM"), start), Some(0));
        assert_eq!(log.unsaid(because("CROSSSLOT"), start + SAY_AGAIN), Some(2));
    }

    #[test]
    fn reasons_without_end_take_no_memory_without_end() {
        let log = UnavailableLog::default();
        let start = Instant::now();
        let mut lines = 0;
        for number in 0..10 * MAX_REASONS {
            lines += usize::from(log.unsaid(because(&number.to_string()), start).is_some());
        }
        assert_eq!(lines, MAX_REASONS + 1);
        assert!(log.unsaid(because("later"), start + SAY_AGAIN).is_some());
        assert!(log.0.lock().unwrap().len() <= MAX_REASONS);
    }
}
