//! The service, as browsers and LiveKit reach it.

mod cache;
mod client_address;
mod cors;
mod credentials;
mod event_stream;
mod feed;
mod livekit_webhooks;
mod reach;
mod stream;
mod web_socket;
mod webhooks;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use axum::http::{HeaderMap, Method, Request, Response, Uri, header, request::Builder};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use serde_json::Value;

use crate::{
    clock::Clock,
    config::Config,
    http_client::{ExchangeError, HttpClient, HttpClientSettings},
    livekit::{AccessToken, Keys, VideoGrant, WebhookToken},
};

use super::{
    deadline::within,
    finding::{Check, Checked},
    livekit::LiveKit,
    options::Options,
};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// For a check that asks a few times.
const CHECK_TIMEOUT: Duration = Duration::from_secs(9);
/// After a stream was to end.
const GRACE: Duration = Duration::from_secs(2);
/// The path that takes webhooks.
const WEBHOOK_PATH: &str = "/api/livekit/webhook";

/// The address at which the service is looked for.
pub(super) struct Service {
    client: HttpClient,
    pub base: String,
    /// Whether this is the public address, with whatever is before the service.
    is_public: bool,
    keys: Keys,
    clock: Clock,
}

impl Service {
    /// # Errors
    /// The file with certificate authorities cannot be read.
    pub fn new(config: &Config, options: &Options, clock: &Clock) -> io::Result<Self> {
        let public = options.public_url.clone().or_else(|| config.http.public_url.clone());
        let is_public = public.is_some();
        let url = public.unwrap_or_else(|| own_address(config.http.bind));
        let base = url.to_string().trim_end_matches('/').to_owned();
        let client = HttpClient::new(&HttpClientSettings {
            url,
            connect_timeout: ANSWER_TIMEOUT,
            ca_file: options.ca_file.clone(),
            proxy: None,
        })?;
        let keys = Keys::new(&config.livekit.keys);
        Ok(Self { client, base, is_public, keys, clock: clock.clone() })
    }

    /// A token that reads all rooms, and changes nothing.
    fn token(&self, life: Duration) -> String {
        self.sign(VideoGrant { room_list: true, ..VideoGrant::default() }, life)
    }

    /// A token that may ask how a request arrived, which is an operator's right. It is sent once or twice, so it ends soon.
    fn operators_token(&self) -> String {
        self.sign(VideoGrant { room_admin: true, ..VideoGrant::default() }, ANSWER_TIMEOUT)
    }

    fn sign(&self, grant: VideoGrant, life: Duration) -> String {
        let expires_at = self.clock.now().as_secs() + life.as_secs();
        let identity = "livekit-presence-doctor";
        AccessToken::sign(identity, grant, expires_at, &self.keys).unwrap_or_default()
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token(CHECK_TIMEOUT * 4))
    }

    fn request(&self, method: Method, target: &str) -> Builder {
        Request::builder().method(method).uri(format!("{}{target}", self.base))
    }

    async fn get(
        &self,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response<Bytes>, ExchangeError> {
        self.send(with_headers(self.request(Method::GET, target), headers), Bytes::new()).await
    }

    /// A GET whose answer goes on.
    async fn open(
        &self,
        target: &str,
        headers: &[(&str, &str)],
        limit: Duration,
    ) -> Result<Response<Incoming>, ExchangeError> {
        let request = with_headers(self.request(Method::GET, target), headers);
        let request = request.body(Full::default()).map_err(unsendable)?;
        self.client.open(request, limit).await
    }

    async fn post_webhook(&self, body: Bytes) -> Result<Response<Bytes>, ExchangeError> {
        let token = WebhookToken::sign(&body, &self.keys, self.clock.now().as_secs());
        let headers = [
            (header::AUTHORIZATION.as_str(), &*token.unwrap_or_default()),
            (header::CONTENT_TYPE.as_str(), "application/webhook+json"),
        ];
        let request = with_headers(self.request(Method::POST, WEBHOOK_PATH), &headers);
        self.send(request, body).await
    }

    async fn send(&self, request: Builder, body: Bytes) -> Result<Response<Bytes>, ExchangeError> {
        let request = request.body(Full::from(body)).map_err(unsendable)?;
        self.client.send(request, ANSWER_TIMEOUT, MAX_ANSWER_BYTES).await
    }
}

fn with_headers(request: Builder, headers: &[(&str, &str)]) -> Builder {
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

fn unsendable(error: axum::http::Error) -> ExchangeError {
    ExchangeError::Unreachable(error.to_string())
}

/// Where the service listens, as this machine reaches it.
fn own_address(bind: SocketAddr) -> Uri {
    let ip = match bind.ip() {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        // Which takes IPv4 too.
        IpAddr::V6(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::LOCALHOST) => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    let address = SocketAddr::new(ip, bind.port());
    format!("http://{address}/").parse().expect("a host and a port are an address")
}

/// Whether the service itself says this, and what: its errors are problems of RFC 9457, and a proxy's are pages.
fn problem(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let is_problem = kind.starts_with("application/problem+json");
    let problem: Value = serde_json::from_slice(body).ok().filter(|_| is_problem)?;
    Some(problem.get("detail")?.as_str()?.to_owned())
}

/// Looks at everything that needs the service.
pub(super) async fn check(
    service: &Service,
    config: &Config,
    options: &Options,
    livekit: Option<&LiveKit>,
) -> Vec<Checked> {
    let (checked, reached) = reach::check(service).await;
    let Some(reached) = reached else {
        let others = [
            Check::ClientAddress,
            Check::Credentials,
            Check::Webhooks,
            Check::LiveKitWebhooks,
            Check::Stream,
            Check::WebSocket,
            Check::Cache,
            Check::Cors,
        ];
        let skipped = others.map(|check| Checked::skipped(check, "the service was not reached"));
        return [checked].into_iter().chain(skipped).collect();
    };
    let addressed = client_address::check(service, &reached, config);
    let watched = options.patience + GRACE + ANSWER_TIMEOUT;
    let (credentials, [webhooks, livekit_webhooks], stream, web_socket, cache, cors) = tokio::join!(
        within(CHECK_TIMEOUT, Check::Credentials, credentials::check(service, &reached, config)),
        feed::check_webhooks(service, livekit, options.patience),
        within(watched, Check::Stream, stream::check(service, config, options.patience)),
        within(CHECK_TIMEOUT, Check::WebSocket, web_socket::check(service)),
        within(CHECK_TIMEOUT, Check::Cache, cache::check(service)),
        within(CHECK_TIMEOUT, Check::Cors, cors::check(service, options.origin.as_deref())),
    );
    vec![
        checked,
        addressed,
        credentials,
        webhooks,
        livekit_webhooks,
        stream,
        web_socket,
        cache,
        cors,
    ]
}
