//! Asks the app who somebody is (`tokens.authorize_url`). The app gets what they sent, with their cookies, and answers with their
//! identity, or refuses.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::{
    http_client::HttpClient,
    livekit::{Grants, Object},
    presence::Identity,
};

use super::{
    error::AuthorizeError,
    metrics::{AppAuthMetrics, AuthorizeOutcome},
};

/// Larger answers are not read. This fits all the metadata that LiveKit takes.
const MAX_BYTES: usize = 128 * 1024;
/// Requests to the app at a time. Whoever asks beyond that comes back in a second.
const MAX_AT_ONCE: usize = 64;
/// Longer words of an app are cut.
const MAX_WORDS: usize = 200;
/// Where the app names no time.
const DEFAULT_RETRY_AFTER_SECS: u64 = 10;
const MAX_RETRY_AFTER_SECS: u64 = 3_600;

/// The app's own server.
pub struct Authorizer {
    client: HttpClient,
    url: Uri,
    timeout: Duration,
    free: Semaphore,
    metrics: AppAuthMetrics,
}

/// Who somebody is, as the app says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppAnswer {
    pub identity: Identity,
    pub name: Option<String>,
    pub metadata: Option<String>,
    pub grants: Option<Grants>,
}

#[derive(Deserialize)]
struct Answer {
    identity: String,
    name: Option<String>,
    metadata: Option<String>,
    grants: Option<GrantNames>,
}

/// The words of `roles.grants`.
#[derive(Deserialize)]
#[serde(untagged)]
enum GrantNames {
    Line(String),
    Several(Vec<String>),
}

impl Authorizer {
    pub fn new(client: HttpClient, url: Uri, timeout: Duration, metrics: AppAuthMetrics) -> Self {
        Self { client, url, timeout, free: Semaphore::new(MAX_AT_ONCE), metrics }
    }

    /// Asks with what they sent: their credentials, and the body as JSON.
    ///
    /// # Errors
    /// The app refuses, or does not say who it is.
    pub async fn ask(
        &self,
        credentials: &[(header::HeaderName, HeaderValue)],
        body: Vec<u8>,
    ) -> Result<AppAnswer, AuthorizeError> {
        let answer = self.exchange(credentials, body).await;
        self.metrics.authorized(AuthorizeOutcome::of(&answer));
        answer
    }

    async fn exchange(
        &self,
        credentials: &[(header::HeaderName, HeaderValue)],
        body: Vec<u8>,
    ) -> Result<AppAnswer, AuthorizeError> {
        let Ok(_turn) = self.free.try_acquire() else { return Err(AuthorizeError::Busy) };
        let mut request = Request::new(Full::from(body));
        *request.method_mut() = axum::http::Method::POST;
        *request.uri_mut() = self.url.clone();
        let headers = request.headers_mut();
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json.clone());
        headers.insert(header::ACCEPT, json);
        for (name, value) in credentials {
            headers.append(name, value.clone());
        }
        read(&self.client.send(request, self.timeout, MAX_BYTES).await?)
    }
}

fn read(answer: &Response<Bytes>) -> Result<AppAnswer, AuthorizeError> {
    match answer.status() {
        StatusCode::OK => parse(answer.body()),
        StatusCode::UNAUTHORIZED => Err(AuthorizeError::Unknown(words(answer.body()))),
        StatusCode::TOO_MANY_REQUESTS => {
            Err(AuthorizeError::Limited(retry_after(answer.headers())))
        }
        // The proxy between us and the app wants a password; this says nothing about the client.
        status @ StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            Err(AuthorizeError::Failed(status.as_u16()))
        }
        status if status.is_client_error() => Err(AuthorizeError::Refused(words(answer.body()))),
        status if status.is_redirection() => Err(AuthorizeError::Redirect(status.as_u16())),
        status => Err(AuthorizeError::Failed(status.as_u16())),
    }
}

fn parse(body: &[u8]) -> Result<AppAnswer, AuthorizeError> {
    let unreadable = |error: serde_json::Error| AuthorizeError::Unreadable(error.to_string());
    let Object(answer): Object<Answer> = serde_json::from_slice(body).map_err(unreadable)?;
    if answer.identity.is_empty() {
        return Err(AuthorizeError::Unreadable("`identity` is empty".to_owned()));
    }
    let grants = answer.grants.map(|names| match names {
        GrantNames::Line(names) => Grants::parse(&names),
        GrantNames::Several(names) => Grants::parse(&names.join(" ")),
    });
    let grants = grants.transpose();
    Ok(AppAnswer {
        identity: Identity::new(answer.identity),
        name: answer.name.filter(|name| !name.is_empty()),
        metadata: answer.metadata,
        grants: grants.map_err(|error| AuthorizeError::Unreadable(error.to_string()))?,
    })
}

/// What a refusal says, to be shown: `detail` of a problem (RFC 9457), or `message`.
fn words(body: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let words = [&answer["detail"], &answer["message"]].into_iter().find_map(Value::as_str)?;
    let words: String = words.chars().filter(|one| !one.is_control()).take(MAX_WORDS).collect();
    Some(words).filter(|words| !words.is_empty())
}

/// Only its form in seconds is read.
fn retry_after(headers: &HeaderMap) -> Duration {
    let secs = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(secs.unwrap_or(DEFAULT_RETRY_AFTER_SECS).min(MAX_RETRY_AFTER_SECS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> Result<AppAnswer, AuthorizeError> {
        let answer = Response::builder().status(status).body(Bytes::from(body.to_owned()));
        read(&answer.unwrap())
    }

    #[test]
    fn the_app_says_who_it_is_and_what_they_may() {
        let answer = of(
            200,
            r#"{"identity":"a/b 🚪","name":"Alice","grants":["microphone","subscribe"],"more":1}"#,
        );
        let answer = answer.unwrap();
        assert_eq!(answer.identity.as_str(), "a/b 🚪");
        assert_eq!(answer.name.as_deref(), Some("Alice"));
        assert_eq!(answer.grants, Some(Grants::parse("microphone subscribe").unwrap()));
        let short = of(200, r#"{"identity":"bob","grants":"publish subscribe"}"#).unwrap();
        assert_eq!(short.grants, Some(Grants::parse("publish subscribe").unwrap()));
        assert_eq!(of(200, r#"{"identity":"bob"}"#).unwrap().grants, None);
        let nothing = of(200, r#"{"identity":"bob","grants":[]}"#).unwrap();
        assert_eq!(nothing.grants, Some(Grants::default()), "nothing is not what was left out");
    }

    #[test]
    fn an_answer_that_says_something_else_is_never_taken_for_somebody() {
        let garbage = [
            "",
            "null",
            "[]",
            r#"["alice"]"#,
            "<html>",
            r#""alice""#,
            "{}",
            r#"{"identity":""}"#,
            r#"{"identity":7}"#,
            r#"{"identity":null}"#,
            r#"{"identity":"a","grants":["fly"]}"#,
            r#"{"identity":"a","grants":{"canPublish":true}}"#,
            r#"{"identity":"a"} {"identity":"b"}"#,
            r#"{"identity":"a","name":["x"]}"#,
        ];
        for body in garbage {
            assert!(matches!(of(200, body), Err(AuthorizeError::Unreadable(_))), "{body}");
        }
        let alice = r#"{"identity":"alice"}"#;
        for status in [201, 204, 206, 500, 502, 503, 407] {
            assert_eq!(of(status, alice), Err(AuthorizeError::Failed(status)));
        }
        for status in [301, 302, 303, 307, 308, 304] {
            assert_eq!(of(status, alice), Err(AuthorizeError::Redirect(status)));
        }
    }

    #[test]
    fn a_refusal_is_passed_on_in_the_apps_words() {
        let said = r#"{"detail":"the door is\u0007 shut"}"#;
        let words = || Some("the door is shut".to_owned());
        assert_eq!(of(401, said), Err(AuthorizeError::Unknown(words())));
        for status in [400, 402, 403, 404, 409, 410, 422, 451] {
            assert_eq!(of(status, said), Err(AuthorizeError::Refused(words())), "{status}");
        }
        assert_eq!(of(403, "<html>"), Err(AuthorizeError::Refused(None)));
        let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(10_000));
        assert_eq!(of(403, &long), Err(AuthorizeError::Refused(Some("x".repeat(200)))));
        assert_eq!(of(429, ""), Err(AuthorizeError::Limited(Duration::from_secs(10))));
    }
}
