//! Errors as clients see them: RFC 9457, one sentence that says what the caller can do, and nothing internal.

use std::{any::Any, time::Duration};

use axum::{
    Json,
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use serde::Serialize;
use tracing::error;

use crate::{
    error_chain::Chain,
    history::{HistoryError, ReadingError},
    hub::{EventsError, SubscribeAllError},
    store::StoreError,
    web_socket::Close,
};

/// A prefix is free some seconds after its last stream has ended.
const TOO_MANY_PREFIXES_RETRY_SECS: u64 = 10;
/// A client whose feed could not be opened comes back after this time, in seconds.
const EVENTS_RETRY_SECS: u64 = 2;
/// A database that is away is back after some seconds at best.
const HISTORY_RETRY_SECS: u64 = 5;
/// Where the history has no turn for a question, it has one soon.
const BUSY_RETRY_SECS: u64 = 1;

/// A refused or failed request.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    /// In seconds.
    retry_after: Option<u64>,
    challenge: Option<&'static str>,
    /// The client must speak another protocol.
    upgrade: bool,
    /// For the log alone.
    cause: Option<String>,
}

#[derive(Serialize)]
pub(super) struct ProblemBody<'problem> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: Option<&'static str>,
    status: u16,
    detail: &'problem str,
}

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { status, detail, retry_after: None, challenge: None, upgrade: false, cause: None }
    }

    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// No credential, or one that is not valid.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self {
            challenge: Some("Bearer realm=\"livekit-presence\""),
            ..Self::new(StatusCode::UNAUTHORIZED, detail)
        }
    }

    /// A valid credential without the right.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// Something that the path names is not there.
    pub fn absent(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is nothing here; the README lists the routes")
    }

    /// The request belongs to another address, which `detail` names.
    pub fn elsewhere(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// The service keeps no history.
    pub fn no_history() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "no history is kept here; set `history.url` (see docs/configuration.md)",
        )
    }

    /// Moderation needs LiveKit's API.
    pub fn no_livekit() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "LiveKit's API is not known here; set `livekit.url` (see docs/configuration.md)",
        )
    }

    /// What is asked for does not fit what is.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// It has changed since the client read it.
    pub fn precondition_failed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, detail)
    }

    /// Another server that was needed answered with something that cannot be used.
    pub fn bad_gateway(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, detail)
    }

    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "this route does not take this method; the `Allow` header names those it takes",
        )
    }

    /// The route speaks WebSocket, and only its version 13.
    pub fn upgrade_required(detail: impl Into<String>) -> Self {
        Self { upgrade: true, ..Self::new(StatusCode::UPGRADE_REQUIRED, detail) }
    }

    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    }

    pub fn too_many(detail: impl Into<String>, retry_after_secs: u64) -> Self {
        Self {
            retry_after: Some(retry_after_secs),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail)
        }
    }

    /// A fault that passes: the client can send the same request again.
    pub fn unavailable(detail: impl Into<String>, retry_after_secs: u64) -> Self {
        Self {
            retry_after: Some(retry_after_secs),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        }
    }

    /// This instance is shutting down; it opens no streams and is not ready.
    pub fn draining() -> Self {
        Self::unavailable("this instance is shutting down; ask again, and another answers", 1)
    }

    /// All connections are taken, or those that are left are kept for webhooks.
    pub fn no_place() -> Self {
        Self::unavailable(
            "this instance has as many connections as it can take (it is bounded by open files); try another, or later",
            1,
        )
    }

    /// A head that did not arrive in time.
    pub fn head_too_slow(timeout: Duration) -> Self {
        let timeout = humantime::format_duration(timeout);
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            format!(
                "the request's head did not arrive within `http.head_timeout` ({timeout}); send it again"
            ),
        )
    }

    pub fn head_too_large(bytes: usize, headers: usize) -> Self {
        Self::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            format!(
                "a request's head has at most {bytes} bytes and {headers} headers; use a token with less metadata, or fewer rooms on one stream"
            ),
        )
    }

    pub fn address_too_long(bytes: usize) -> Self {
        Self::new(
            StatusCode::URI_TOO_LONG,
            format!(
                "a request's address has at most {bytes} bytes; send the token as `Authorization: Bearer`, or watch fewer rooms on one stream"
            ),
        )
    }

    /// A head that does not follow HTTP's grammar.
    pub fn unreadable_head() -> Self {
        Self::bad_request("this is no HTTP/1.1 request; its head cannot be read")
    }

    pub fn http2() -> Self {
        Self::bad_request("HTTP/2 is not spoken here; use HTTP/1.1, or a proxy that does")
    }

    /// The same, of a step that follows one that was taken.
    pub fn after(mut self, done: &str) -> Self {
        self.detail = format!("{done}: {}", self.detail);
        self
    }

    /// Adds the cause, for the log alone.
    pub fn because(self, cause: impl ToString) -> Self {
        Self { cause: Some(cause.to_string()), ..self }
    }

    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "something failed here; tell the operator the `X-Request-Id` of this answer",
        )
    }

    /// What clients see of it.
    pub fn body(&self) -> ProblemBody<'_> {
        ProblemBody {
            kind: "about:blank",
            title: self.status.canonical_reason(),
            status: self.status.as_u16(),
            detail: &self.detail,
        }
    }

    /// How a WebSocket is closed for it.
    pub fn close(&self) -> Close {
        let code = match self.status.as_u16() {
            known @ (400 | 401 | 403 | 429 | 503) => 4000 + known,
            _ => 1011,
        };
        Close::new(code, &self.detail)
    }

    /// What clients read of it.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The same.
    pub fn into_detail(self) -> String {
        self.detail
    }

    /// Why an answer is 503, if it is.
    pub fn why(self) -> Option<Why> {
        let is_unavailable = self.status == StatusCode::SERVICE_UNAVAILABLE;
        is_unavailable.then_some(Why { detail: self.detail, cause: self.cause })
    }
}

impl From<SubscribeAllError> for Problem {
    fn from(error: SubscribeAllError) -> Self {
        match error {
            SubscribeAllError::Store(error) => error.into(),
            SubscribeAllError::TooManyPrefixes => Self::unavailable(
                "clients watch too many different prefixes at the moment; leave out `prefix`, or ask again",
                TOO_MANY_PREFIXES_RETRY_SECS,
            ),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let detail = match &error {
            StoreError::Unreachable(_) | StoreError::TimedOut(_) => {
                "the store cannot be reached at the moment; ask again"
            }
            StoreError::Refused(_) | StoreError::Malformed(_) => {
                "the store does not work at the moment; ask again, or tell the operator"
            }
            StoreError::Busy => "the room changes too often at the moment; ask again",
            StoreError::NoChanges => "the store sends no changes at the moment; ask again",
        };
        Self::unavailable(detail, 1).because(Chain(&error))
    }
}

impl From<ReadingError> for Problem {
    fn from(error: ReadingError) -> Self {
        let detail = match &error {
            ReadingError::TooMuch { max } => {
                return Self::bad_request(format!(
                    "this is about more than {max} sessions; ask for the attendance of the room, for a shorter time with `from` and `to`"
                ));
            }
            ReadingError::PeriodTooLarge { max } => {
                return Self::bad_request(format!(
                    "more than {max} sessions are in one day or hour; use `by=hour` or `room=`, or a shorter time with `from` and `to`"
                ));
            }
            ReadingError::Busy => {
                let detail = "the history is busy with other questions at the moment; ask again";
                return Self::unavailable(detail, BUSY_RETRY_SECS).because(Chain(&error));
            }
            ReadingError::Database(HistoryError::Away(_)) => {
                "the history's database cannot be reached at the moment; ask again"
            }
            ReadingError::Database(HistoryError::TimedOut) => {
                "the history's database did not answer in time; ask again, or for a shorter time"
            }
            ReadingError::Database(
                HistoryError::Refused(_) | HistoryError::Unreadable(_) | HistoryError::Schema(_),
            ) => {
                "the history's database does not work at the moment; ask again, or tell the operator"
            }
        };
        Self::unavailable(detail, HISTORY_RETRY_SECS).because(Chain(&error))
    }
}

impl From<EventsError> for Problem {
    fn from(error: EventsError) -> Self {
        let detail = match &error {
            EventsError::Store(error) => return error.clone().into(),
            EventsError::TooManyFilters => {
                "this instance has as many different filters of events as it can take; ask for fewer rooms and names and leave out the rest yourself, or try again later"
            }
            EventsError::TooManyResumes => {
                "too many feeds are resumed at the moment; come back with the same `Last-Event-ID`"
            }
        };
        Self::unavailable(detail, EVENTS_RETRY_SECS).because(Chain(&error))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let mut response = (self.status, Json(self.body())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(secs) = self.retry_after {
            headers.insert(header::RETRY_AFTER, secs.into());
        }
        if let Some(challenge) = self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if self.upgrade {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        if let Some(why) = self.why() {
            response.extensions_mut().insert(why);
        }
        response
    }
}

/// Why an answer is 503, in its extensions: what the client is told, and the cause that only the log names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::http) struct Why {
    pub detail: String,
    pub cause: Option<String>,
}

/// Answers for a handler that panicked; the process lives on.
pub(super) fn after_panic(panic: Box<dyn Any + Send + 'static>) -> Response<Body> {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    error!(panic = message, "a handler panicked");
    Problem::internal().into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_about_too_many_sessions_is_told_what_helps() {
        let cases: [(ReadingError, &[&str]); 2] = [
            (ReadingError::TooMuch { max: 5 }, &["more than 5 sessions", "`from` and `to`"]),
            (
                ReadingError::PeriodTooLarge { max: 7 },
                &["more than 7 sessions", "`by=hour` or `room=`"],
            ),
        ];
        for (error, advice) in cases {
            let problem = Problem::from(error);
            assert_eq!(problem.status, StatusCode::BAD_REQUEST);
            for part in advice {
                assert!(problem.detail.contains(part), "{}", problem.detail);
            }
        }
    }
}
