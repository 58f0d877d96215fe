//! LiveKit's API, as this command calls it.

mod api;
mod clock;

pub(super) use api::check;
pub(super) use clock::check as check_clock;

use std::{
    io,
    time::{Duration, SystemTime},
};

use axum::http::{Request, Response, header};
use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::{
    clock::Clock,
    config::Config,
    http_client::{ExchangeError, HttpClient, HttpClientSettings},
    livekit::{AccessToken, Keys, VideoGrant},
};

/// Longer than LiveKit takes to answer anything that is asked here.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);
const MAX_ANSWER_BYTES: usize = 1024 * 1024;
/// As long as the tokens of the service's own calls live.
pub(super) const TOKEN_LIFE: Duration = Duration::from_mins(10);

/// A client of LiveKit's `RoomService` that shows what comes back.
pub(super) struct LiveKit {
    client: HttpClient,
    pub base: String,
    keys: Keys,
    clock: Clock,
}

impl LiveKit {
    /// None if its address is not configured.
    ///
    /// # Errors
    /// The file with certificate authorities cannot be read.
    pub fn new(config: &Config, clock: &Clock) -> io::Result<Option<Self>> {
        let Some(url) = config.livekit.url.clone() else { return Ok(None) };
        let base = url.to_string().trim_end_matches('/').to_owned();
        let client = HttpClient::new(&HttpClientSettings {
            url,
            connect_timeout: ANSWER_TIMEOUT,
            ca_file: config.livekit.ca_file.clone(),
            proxy: config.livekit.proxy.clone(),
        })?;
        let keys = Keys::new(&config.livekit.keys);
        Ok(Some(Self { client, base, keys, clock: clock.clone() }))
    }

    pub fn key_name(&self) -> &str {
        self.keys.signing_name().unwrap_or_default()
    }

    /// Asks for the rooms of a name that no room has, which costs LiveKit least.
    async fn list_no_rooms(&self) -> Result<Response<Bytes>, ExchangeError> {
        let grant = VideoGrant { room_list: true, ..VideoGrant::default() };
        self.call("ListRooms", grant, &json!({ "names": ["livekit-presence-doctor"] })).await
    }

    /// Has LiveKit make a room that ends by itself if nobody deletes it.
    pub async fn create_room(&self, name: &str) -> Result<Response<Bytes>, ExchangeError> {
        let arguments = json!({ "name": name, "empty_timeout": 15, "departure_timeout": 5 });
        self.call("CreateRoom", creating(), &arguments).await
    }

    pub async fn delete_room(&self, name: &str) -> Result<Response<Bytes>, ExchangeError> {
        self.call("DeleteRoom", creating(), &json!({ "room": name })).await
    }

    async fn call(
        &self,
        method: &str,
        grant: VideoGrant,
        arguments: &Value,
    ) -> Result<Response<Bytes>, ExchangeError> {
        let expires_at = self.clock.now().as_secs() + TOKEN_LIFE.as_secs();
        let token = AccessToken::sign("livekit-presence-doctor", grant, expires_at, &self.keys);
        let request = Request::post(format!("{}/twirp/livekit.RoomService/{method}", self.base))
            .header(header::AUTHORIZATION, format!("Bearer {}", token.unwrap_or_default()))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(arguments.to_string()))
            .map_err(|error| ExchangeError::Unreachable(error.to_string()))?;
        self.client.send(request, ANSWER_TIMEOUT, MAX_ANSWER_BYTES).await
    }
}

fn creating() -> VideoGrant {
    VideoGrant { room_create: true, ..VideoGrant::default() }
}

/// How far a server's clock is ahead of ours, in seconds, by the `Date` of its answer; none if it has none.
pub(super) fn secs_ahead<T>(answer: &Response<T>, clock: &Clock) -> Option<i64> {
    let date = answer.headers().get(header::DATE)?.to_str().ok()?;
    let date = httpdate::parse_http_date(date).ok()?;
    let date = date.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    Some(date.cast_signed() - clock.now().as_secs().cast_signed())
}

/// The words of an answer, without the token that LiveKit repeats in them.
pub(super) fn words_of(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let said = serde_json::from_str::<Value>(&text).ok();
    let said = said.and_then(|said| Some(said.get("msg")?.as_str()?.to_owned()));
    let said = said.unwrap_or_else(|| text.into_owned());
    let said = said.split_once("error: ").map_or(said.as_str(), |(_, error)| error);
    said.chars().filter(|one| !one.is_control()).take(120).collect()
}
