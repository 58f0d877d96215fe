//! The calls themselves. Each has its own token and timeout; connections are reused.

use std::{
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::http::{Request, Uri, header};
use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::{Value, json};
use tracing::info;

use crate::{
    clock::Clock,
    http_client::{HttpClient, HttpClientSettings, Proxy},
    livekit::{
        access_token::AccessToken,
        key::Keys,
        list::{ListedRoom, parse_participants, parse_rooms},
        video_grant::VideoGrant,
    },
    presence::{Identity, ProbeAnswer, RoomName, SessionInfo},
};

use super::{
    answer::{Answer, MAX_ANSWER_BYTES},
    error::ApiError,
    method::Method,
    metrics::{ApiMetrics, CallOutcome},
};

/// LiveKit answers a liveness probe after three seconds if the session's node does not answer (psrpc's own timeout).
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the token of a call lives: long enough for LiveKit to accept it even if its clock differs from ours.
const TOKEN_LIFE_SECS: u64 = 600;

/// Where LiveKit's API is, and how to reach it.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// `http` or `https`.
    pub url: Uri,
    /// A call fails after this time.
    pub timeout: Duration,
    /// A PEM file with further certificate authorities, for a LiveKit whose certificate a private authority has signed.
    pub ca_file: Option<PathBuf>,
    /// The proxy before LiveKit.
    pub proxy: Option<Proxy>,
}

/// A client of LiveKit's `RoomService`.
pub struct Api {
    client: HttpClient,
    base: String,
    pub(super) timeout: Duration,
    keys: Keys,
    clock: Clock,
    metrics: ApiMetrics,
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
        if let Some(proxy) = &settings.proxy {
            info!(?proxy, "calling LiveKit's API through a proxy");
        }
        Ok(Self {
            client: HttpClient::new(&HttpClientSettings {
                url: settings.url.clone(),
                connect_timeout: settings.timeout,
                ca_file: settings.ca_file.clone(),
                proxy: settings.proxy.clone(),
            })?,
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

    /// Everybody whom LiveKit lists in a room: nobody, if LiveKit does not know the room.
    ///
    /// # Errors
    /// Nothing is known.
    pub async fn list_participants(&self, room: &RoomName) -> Result<Vec<SessionInfo>, ApiError> {
        let grant = VideoGrant::of_room(room);
        let answer = self
            .call(Method::ListParticipants, grant, &json!({ "room": room }), self.timeout)
            .await?;
        match answer {
            Answer::Ok(body) => Ok(parse_participants(&body).map_err(Arc::new)?),
            Answer::NotFound => Ok(Vec::new()),
        }
    }

    /// The rooms of `names` that LiveKit has; all that it has, if `names` is empty.
    ///
    /// # Errors
    /// Nothing is known.
    pub async fn list_rooms(&self, names: &[&RoomName]) -> Result<Vec<ListedRoom>, ApiError> {
        let grant = VideoGrant { room_list: true, ..VideoGrant::default() };
        let answer =
            self.call(Method::ListRooms, grant, &json!({ "names": names }), self.timeout).await?;
        match answer {
            Answer::Ok(body) => Ok(parse_rooms(&body).map_err(Arc::new)?),
            Answer::NotFound => Ok(Vec::new()),
        }
    }

    /// Asks a session's node to subscribe it to nothing. This changes nothing, and only the node where the session lives can
    /// answer.
    ///
    /// # Errors
    /// Nothing is known.
    pub async fn probe(
        &self,
        room: &RoomName,
        identity: &Identity,
    ) -> Result<ProbeAnswer, ApiError> {
        let grant = VideoGrant::of_room(room);
        let request =
            json!({ "room": room, "identity": identity, "track_sids": [], "subscribe": false });
        let answer = self.call(Method::UpdateSubscriptions, grant, &request, PROBE_TIMEOUT).await;
        match answer {
            Ok(Answer::Ok(_)) => Ok(ProbeAnswer::Alive),
            Ok(Answer::NotFound) => Ok(ProbeAnswer::Gone),
            Err(ApiError::NoResponse) => Ok(ProbeAnswer::Unanswered),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn call(
        &self,
        method: Method,
        grant: VideoGrant,
        arguments: &Value,
        limit: Duration,
    ) -> Result<Answer, ApiError> {
        let started = Instant::now();
        let answer = self.send(method, grant, arguments, limit).await;
        self.metrics.called(method, CallOutcome::of(&answer), started.elapsed());
        answer
    }

    async fn send(
        &self,
        method: Method,
        grant: VideoGrant,
        arguments: &Value,
        limit: Duration,
    ) -> Result<Answer, ApiError> {
        let request = self.request(method, grant, arguments)?;
        Answer::read(self.client.send(request, limit, MAX_ANSWER_BYTES).await?)
    }

    fn request(
        &self,
        method: Method,
        grant: VideoGrant,
        arguments: &Value,
    ) -> Result<Request<Full<Bytes>>, ApiError> {
        let expires_at = self.clock.now().as_secs() + TOKEN_LIFE_SECS;
        let token = AccessToken::sign("livekit-presence", grant, expires_at, &self.keys)
            .unwrap_or_default();
        let url = format!("{}/twirp/livekit.RoomService/{}", self.base, method.livekit_name());
        Request::post(url)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(arguments.to_string()))
            .map_err(|error| ApiError::Unreachable(error.to_string()))
    }
}
