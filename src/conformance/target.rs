//! The implementation that is tried, as LiveKit and browsers reach it.

use std::{io, time::Duration};

use axum::http::{HeaderValue, Method, Request, Response, header, request::Builder};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::Semaphore;

use crate::{
    clock::Clock,
    http_client::{ExchangeError, HttpClient, HttpClientSettings},
    livekit::{AccessToken, ApiKey, Keys, VideoGrant, WebhookToken},
};

use super::options::{Options, Paths};

const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// Requests that are on their way at the same time, of all cases together.
const MAX_REQUESTS: usize = 32;
/// Longer than a run takes.
const TOKEN_LIFE_SECS: u64 = 600;

/// A header with any bytes.
pub(super) type Header<'text> = (&'static str, &'text [u8]);

pub(super) struct Target {
    client: HttpClient,
    pub base: String,
    paths: Paths,
    pub key: ApiKey,
    keys: Keys,
    pub clock: Clock,
    pub timeout: Duration,
    pub silence: Duration,
    is_open: bool,
    pub origin: Option<String>,
    requests: Semaphore,
}

/// A webhook as it is sent.
pub(super) struct Delivery {
    pub body: Bytes,
    pub authorization: Option<Vec<u8>>,
    pub content_type: Option<&'static str>,
}

impl Target {
    /// # Errors
    /// The file with certificate authorities cannot be read.
    pub fn new(options: &Options, clock: &Clock) -> io::Result<Self> {
        // A server that refuses a request before it has read the body closes the connection. The next request on it would get no
        // answer, and another case would fail for that.
        let client = HttpClient::without_reuse(&HttpClientSettings {
            url: options.url.clone(),
            connect_timeout: options.timeout,
            ca_file: options.ca_file.clone(),
            proxy: None,
        })?;
        Ok(Self {
            client,
            base: options.url.to_string().trim_end_matches('/').to_owned(),
            paths: options.paths.clone(),
            key: options.key.clone(),
            keys: Keys::new(std::slice::from_ref(&options.key)),
            clock: clock.clone(),
            timeout: options.timeout,
            silence: options.silence,
            is_open: options.is_open,
            origin: options.origin.clone(),
            requests: Semaphore::new(MAX_REQUESTS),
        })
    }

    pub fn now_secs(&self) -> u64 {
        self.clock.now().as_secs()
    }

    /// The token of a webhook with this body, as LiveKit signs it.
    pub fn webhook_token(&self, body: &[u8]) -> String {
        WebhookToken::sign(body, &self.keys, self.now_secs()).unwrap_or_default()
    }

    /// A token of LiveKit for a client.
    pub fn access_token(&self, identity: &str, grant: VideoGrant) -> String {
        let expires_at = self.now_secs() + TOKEN_LIFE_SECS;
        AccessToken::sign(identity, grant, expires_at, &self.keys).unwrap_or_default()
    }

    /// The header by which somebody reads this room; none where anybody may.
    pub fn bearer(&self, identity: &str, room: &str) -> Option<String> {
        let grant = VideoGrant { room: room.to_owned(), room_join: true, ..VideoGrant::default() };
        (!self.is_open).then(|| format!("Bearer {}", self.access_token(identity, grant)))
    }

    pub fn list_path(&self, room: &str) -> String {
        with_room(&self.paths.list, &encoded(room))
    }

    /// With a name that is encoded already, or not at all.
    pub fn list_path_of_encoded(&self, room: &str) -> String {
        with_room(&self.paths.list, room)
    }

    pub fn stream_path(&self, room: &str) -> String {
        with_room(&self.paths.stream, &encoded(room))
    }

    pub fn webhook_path(&self) -> &str {
        &self.paths.webhook
    }

    pub async fn deliver(&self, delivery: Delivery) -> Result<Response<Bytes>, ExchangeError> {
        let Delivery { body, authorization, content_type } = delivery;
        let mut headers: Vec<Header> = Vec::new();
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        headers.extend(content_type.map(|kind| ("content-type", kind.as_bytes())));
        self.ask(Method::POST, &self.paths.webhook, &headers, body).await
    }

    /// Sends a request, and reads the whole answer.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[Header<'_>],
        body: Bytes,
    ) -> Result<Response<Bytes>, ExchangeError> {
        let _permit = self.requests.acquire().await;
        let request = self.request(method, path, headers).body(Full::from(body));
        self.client.send(request.map_err(unsendable)?, self.timeout, MAX_ANSWER_BYTES).await
    }

    /// A GET whose answer goes on.
    pub async fn open(
        &self,
        path: &str,
        headers: &[Header<'_>],
    ) -> Result<Response<Incoming>, ExchangeError> {
        let _permit = self.requests.acquire().await;
        let request = self.request(Method::GET, path, headers).body(Full::default());
        self.client.open(request.map_err(unsendable)?, self.timeout).await
    }

    fn request(&self, method: Method, path: &str, headers: &[Header]) -> Builder {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::USER_AGENT, "livekit-presence-conformance");
        headers.iter().fold(request, |request, (name, value)| {
            match HeaderValue::from_bytes(value) {
                Ok(value) => request.header(*name, value),
                Err(_) => request,
            }
        })
    }
}

/// As browsers encode it, and more.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// A path with one more parameter.
pub(super) fn with_parameter(path: &str, name: &str, value: &str) -> String {
    let separator = if path.contains('?') { '&' } else { '?' };
    format!("{path}{separator}{name}={value}")
}

fn with_room(template: &str, room: &str) -> String {
    template.replace("{room}", room)
}

fn unsendable(error: axum::http::Error) -> ExchangeError {
    ExchangeError::Unreachable(error.to_string())
}
