//! The three calls of LiveKit's `RoomService` that are made here: who is in a room, which rooms there are, and whether a
//! session lives.
//!
//! Twirp over JSON (`livekit/livekit_room.twirp.go` of livekit/protocol), one token per room, each call within its own time.
//! What an answer means for a room is decided elsewhere.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde_json::{Value, json};
use tokio::time::timeout;
use tracing::info;

use crate::{
    clock::Clock,
    presence::{Identity, ProbeAnswer, RoomName, SessionInfo},
};

use crate::livekit::{
    AccessToken, Keys, VideoGrant,
    list::{UnreadableList, parse_participants, parse_rooms},
};

use super::{
    metrics::{ApiMetrics, CallOutcome, Method},
    proxy::{Connector, Proxy},
};

/// A liveness probe takes three seconds where the session's node does not answer (psrpc's own time-out).
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// Tokens are made for each call; this is for clocks that differ.
const TOKEN_LIFE_SECS: u64 = 600;
/// A list of thousands of people with some metadata each. A larger one is not read.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// An idle connection is kept for the next comparison.
const IDLE: Duration = Duration::from_secs(90);

/// Where LiveKit's API is, and how long a call may take.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// `http` or `https`.
    pub url: Uri,
    pub timeout: Duration,
    /// A PEM file with further certificate authorities, for a LiveKit whose certificate is signed by one's own.
    pub ca_file: Option<PathBuf>,
    /// What stands between.
    pub proxy: Option<Proxy>,
}

/// A client of LiveKit's `RoomService`.
pub struct Api {
    client: Client<HttpsConnector<Connector>, Full<Bytes>>,
    /// For a proxy that is asked for whole addresses.
    proxy_credentials: Option<HeaderValue>,
    base: String,
    timeout: Duration,
    keys: Keys,
    clock: Clock,
    metrics: ApiMetrics,
}

/// Why a call says nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ApiError {
    #[error("LiveKit cannot be reached: {0}")]
    Unreachable(String),
    #[error("LiveKit did not answer within {0:?}")]
    TimedOut(Duration),
    /// With `enable_psrpc_for_get_list_participants` also the answer for a room that no node has.
    #[error("LiveKit answered that no server responds for this room")]
    NoResponse,
    #[error("LiveKit limits our calls; the next one may come in {0:?}")]
    Limited(Duration),
    #[error(
        "LiveKit refuses our calls ({status}: {message}); check that the first configured API key is one of LiveKit's"
    )]
    Refused { status: u16, message: String },
    #[error("LiveKit failed with {status}: {message}")]
    Failed { status: u16, message: String },
    #[error("LiveKit's answer has more than {0} bytes")]
    TooLarge(usize),
    #[error("LiveKit's answer ended before it was whole: {0}")]
    CutOff(String),
    #[error(transparent)]
    Unreadable(#[from] Arc<UnreadableList>),
}

impl ApiError {
    /// Whether this may be the trouble of the one answer, while LiveKit answers everybody else.
    pub fn is_of_one_answer(&self) -> bool {
        match self {
            Self::TimedOut(_)
            | Self::Failed { .. }
            | Self::TooLarge(_)
            | Self::CutOff(_)
            | Self::Unreadable(_) => true,
            Self::Unreachable(_) | Self::NoResponse | Self::Limited(_) | Self::Refused { .. } => {
                false
            }
        }
    }
}

impl Api {
    /// # Errors
    /// The file with certificate authorities cannot be read.
    pub fn new(
        settings: &ApiSettings,
        keys: Keys,
        clock: Clock,
        metrics: ApiMetrics,
    ) -> io::Result<Self> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(settings.timeout));
        let tls = tls_config(settings.ca_file.as_deref())?;
        if let Some(proxy) = &settings.proxy {
            info!(?proxy, "LiveKit's API is called through a proxy");
        }
        let (connector, proxy_credentials) =
            Connector::new(&settings.url, settings.proxy.clone(), http, tls.clone());
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        Ok(Self {
            proxy_credentials,
            client: Client::builder(TokioExecutor::new()).pool_idle_timeout(IDLE).build(https),
            base: settings.url.to_string().trim_end_matches('/').to_owned(),
            timeout: settings.timeout,
            keys,
            clock,
            metrics,
        })
    }

    /// The name of the key that signs our calls.
    pub fn key_name(&self) -> &str {
        self.keys.signing_name().unwrap_or_default()
    }

    /// Everybody whom LiveKit lists in a room. A room that LiveKit does not know has nobody in it.
    ///
    /// # Errors
    /// Nothing is known.
    pub async fn list_participants(&self, room: &RoomName) -> Result<Vec<SessionInfo>, ApiError> {
        let answer = self
            .call(Method::list_participants, of_room(room), &json!({ "room": room }), self.timeout)
            .await?;
        match answer {
            Answer::Ok(body) => Ok(parse_participants(&body).map_err(Arc::new)?),
            Answer::NotFound => Ok(Vec::new()),
        }
    }

    /// All rooms, or those of `names` that there are.
    ///
    /// # Errors
    /// Nothing is known.
    pub async fn list_rooms(&self, names: &[&RoomName]) -> Result<Vec<RoomName>, ApiError> {
        let grant = VideoGrant { room_list: true, ..VideoGrant::default() };
        let answer =
            self.call(Method::list_rooms, grant, &json!({ "names": names }), self.timeout).await?;
        match answer {
            Answer::Ok(body) => Ok(parse_rooms(&body).map_err(Arc::new)?),
            Answer::NotFound => Ok(Vec::new()),
        }
    }

    /// Asks a session's node to subscribe it to nothing: harmless, and answered only where the session lives.
    ///
    /// # Errors
    /// Nothing is known.
    pub async fn probe(
        &self,
        room: &RoomName,
        identity: &Identity,
    ) -> Result<ProbeAnswer, ApiError> {
        let request =
            json!({ "room": room, "identity": identity, "track_sids": [], "subscribe": false });
        let answer =
            self.call(Method::update_subscriptions, of_room(room), &request, PROBE_TIMEOUT).await;
        match answer {
            Ok(Answer::Ok(_)) => Ok(ProbeAnswer::Alive),
            Ok(Answer::NotFound) => Ok(ProbeAnswer::Gone),
            Err(ApiError::NoResponse) => Ok(ProbeAnswer::Unanswered),
            Err(error) => Err(error),
        }
    }

    async fn call(
        &self,
        method: Method,
        grant: VideoGrant,
        request: &Value,
        limit: Duration,
    ) -> Result<Answer, ApiError> {
        let started = Instant::now();
        let answer = timeout(limit, self.send(method, grant, request))
            .await
            .unwrap_or(Err(ApiError::TimedOut(limit)));
        self.metrics.called(method, CallOutcome::of(&answer), started.elapsed());
        answer
    }

    async fn send(
        &self,
        method: Method,
        grant: VideoGrant,
        request: &Value,
    ) -> Result<Answer, ApiError> {
        let expires_at = self.clock.now().as_secs() + TOKEN_LIFE_SECS;
        let token = AccessToken::sign("livekit-presence", grant, expires_at, &self.keys)
            .unwrap_or_default();
        let mut request = Request::post(format!(
            "{}/twirp/livekit.RoomService/{}",
            self.base,
            method.livekit_name()
        ))
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::from(request.to_string()))
        .map_err(|error| ApiError::Unreachable(error.to_string()))?;
        if let Some(credentials) = &self.proxy_credentials {
            request.headers_mut().insert(header::PROXY_AUTHORIZATION, credentials.clone());
        }
        let response = self.client.request(request).await.map_err(|error| {
            // On a connection that was made LiveKit, or what stands before it, gave up this one answer.
            let reason = innermost(&error);
            if error.is_connect() {
                ApiError::Unreachable(reason)
            } else {
                ApiError::CutOff(reason)
            }
        })?;
        let (head, body) = response.into_parts();
        let body = read_body(body).await?;
        match head.status {
            StatusCode::OK => Ok(Answer::Ok(body)),
            StatusCode::NOT_FOUND if is_twirp(&body, "not_found") => Ok(Answer::NotFound),
            StatusCode::SERVICE_UNAVAILABLE if is_twirp(&body, "unavailable") => {
                Err(ApiError::NoResponse)
            }
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => Err(ApiError::Unreachable(
                "the proxy wants other credentials; check those in HTTP_PROXY".to_owned(),
            )),
            StatusCode::TOO_MANY_REQUESTS => Err(ApiError::Limited(retry_after(&head.headers))),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(ApiError::Refused { status: head.status.as_u16(), message: message_of(&body) })
            }
            status => Err(ApiError::Failed { status: status.as_u16(), message: message_of(&body) }),
        }
    }
}

/// What comes after a head that came: whatever is wrong with it, LiveKit can be reached.
async fn read_body(body: Incoming) -> Result<Bytes, ApiError> {
    let announced = body.size_hint().lower();
    if announced > MAX_ANSWER_BYTES as u64 {
        return Err(ApiError::TooLarge(MAX_ANSWER_BYTES));
    }
    match Limited::new(body, MAX_ANSWER_BYTES).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::TooLarge(MAX_ANSWER_BYTES)),
        Err(error) => Err(ApiError::CutOff(innermost(error.as_ref()))),
    }
}

/// An answer that says something.
pub(super) enum Answer {
    Ok(Bytes),
    NotFound,
}

fn of_room(room: &RoomName) -> VideoGrant {
    VideoGrant { room: room.as_str().to_owned(), room_admin: true, ..VideoGrant::default() }
}

/// Whether LiveKit itself says so: a proxy's 503 or 404 has no such body, and means nothing.
fn is_twirp(body: &[u8], code: &str) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|answer| answer["code"] == code)
}

/// Twirp's `msg`, or the beginning of whatever text came instead.
fn message_of(body: &[u8]) -> String {
    let twirp = serde_json::from_slice::<Value>(body).ok();
    let message = twirp.and_then(|answer| answer["msg"].as_str().map(str::to_owned));
    let plain = || String::from_utf8_lossy(body).into_owned();
    message.unwrap_or_else(plain).chars().filter(|one| !one.is_control()).take(200).collect()
}

/// In seconds. LiveKit Cloud's limit is per minute, so without the header it is waited for some of that.
fn retry_after(headers: &HeaderMap) -> Duration {
    let secs = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(secs.unwrap_or(10).min(120))
}

/// What really went wrong: the outer errors say only that something did.
pub(super) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn tls_config(ca_file: Option<&Path>) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = ca_file {
        for certificate in CertificateDer::pem_file_iter(path).map_err(io::Error::other)? {
            roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
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
    fn how_long_to_wait_is_heeded_within_bounds() {
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
