//! What LiveKit answers to a call. Only a Twirp error counts as LiveKit's own word: a proxy's 404 or 503 says nothing about
//! rooms.

use std::time::Duration;

use axum::http::{HeaderMap, Response, StatusCode, header};
use hyper::body::Bytes;
use serde_json::Value;

use super::error::ApiError;

/// Larger answers are not read. This fits a list of thousands of people with some metadata each.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// How long to wait when LiveKit limits our calls and names no time. LiveKit Cloud limits calls per minute, so a part of a minute
/// will do.
const DEFAULT_RETRY_AFTER_SECS: u64 = 10;
const MAX_RETRY_AFTER_SECS: u64 = 120;

/// An answer that says something.
pub enum Answer {
    Ok(Bytes),
    NotFound,
}

impl Answer {
    pub fn read(response: Response<Bytes>) -> Result<Self, ApiError> {
        let (head, body) = response.into_parts();
        let status = head.status.as_u16();
        match head.status {
            StatusCode::OK => Ok(Self::Ok(body)),
            StatusCode::NOT_FOUND if is_twirp(&body, "not_found") => Ok(Self::NotFound),
            StatusCode::SERVICE_UNAVAILABLE if is_twirp(&body, "unavailable") => {
                Err(ApiError::NoResponse)
            }
            // Twirp's own statuses of these two codes.
            StatusCode::BAD_REQUEST | StatusCode::PRECONDITION_FAILED
                if is_twirp(&body, "invalid_argument")
                    || is_twirp(&body, "failed_precondition") =>
            {
                Err(ApiError::Declined { message: message_of(&body) })
            }
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => Err(ApiError::Unreachable(
                "the proxy wants other credentials; check those in HTTP_PROXY".to_owned(),
            )),
            StatusCode::TOO_MANY_REQUESTS => Err(ApiError::Limited(retry_after(&head.headers))),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(ApiError::Refused { status, message: message_of(&body) })
            }
            _ => Err(ApiError::Failed { status, message: message_of(&body) }),
        }
    }
}

/// Whether the body is a Twirp error with this code.
fn is_twirp(body: &[u8], code: &str) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|answer| answer["code"] == code)
}

/// Twirp's `msg`, or the beginning of the text that came instead.
fn message_of(body: &[u8]) -> String {
    let twirp = serde_json::from_slice::<Value>(body).ok();
    let message = twirp.and_then(|answer| answer["msg"].as_str().map(str::to_owned));
    let plain = || String::from_utf8_lossy(body).into_owned();
    message.unwrap_or_else(plain).chars().filter(|one| !one.is_control()).take(200).collect()
}

/// How long `Retry-After` asks to wait. Only its form in seconds is read.
fn retry_after(headers: &HeaderMap) -> Duration {
    let secs = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(secs.unwrap_or(DEFAULT_RETRY_AFTER_SECS).min(MAX_RETRY_AFTER_SECS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_livekits_own_words_count() {
        assert!(is_twirp(br#"{"code":"unavailable","msg":"no response"}"#, "unavailable"));
        for body in ["", "<html>503</html>", r#"{"code":"internal"}"#, "[]"] {
            assert!(!is_twirp(body.as_bytes(), "unavailable"), "{body}");
        }
    }

    #[test]
    fn a_refusal_is_told_in_livekits_words_or_in_the_plain_ones_that_came() {
        assert_eq!(
            message_of(br#"{"code":"unauthenticated","msg":"permissions denied"}"#),
            "permissions denied"
        );
        assert_eq!(message_of(b"invalid token: x\n"), "invalid token: x");
        assert_eq!(message_of(&[b'x'; 1000]).len(), 200);
    }

    #[test]
    fn retry_after_is_heeded_within_bounds() {
        let of = |value: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(header::RETRY_AFTER, value.parse().unwrap());
            }
            retry_after(&headers).as_secs()
        };
        assert_eq!(of(Some("7")), 7);
        assert_eq!(of(Some("86400")), 120);
        assert_eq!(of(Some("soon")), 10);
        assert_eq!(of(None), 10);
    }
}
