//! Bans: who is banned is never shown, LiveKit is told to remove them, and the database keeps the ban. The rules are tested in
//! `presence` and `rules`, the stores in `store`, a real LiveKit in `real`.

mod budget;
mod database;
mod instances;
mod removals;
mod rights;
mod routes;

use std::net::SocketAddr;

use livekit_presence::livekit::{AccessToken, ApiKey, Keys, VideoGrant};

use crate::harness::{Connection, Response, ScriptedLiveKit, TestApp, request_head};

const KEYS: &str = "APItest: secret-of-the-tests-0123456789abcdef";

/// The service beside a scripted LiveKit, whose lists are not compared unless a setting says otherwise.
async fn with_api(settings: &[(&str, &str)]) -> (TestApp, ScriptedLiveKit) {
    let livekit = ScriptedLiveKit::start(KEYS).await;
    let url = livekit.url();
    let mut all = vec![("LIVEKIT_URL", url.as_str()), ("LKP__RECONCILE__EVERY", "1h")];
    all.extend(settings);
    (TestApp::with_keys(&all, KEYS).await, livekit)
}

fn admin_of(room: &str) -> VideoGrant {
    VideoGrant { room: room.to_owned(), room_admin: true, ..VideoGrant::default() }
}

/// A token by these keys, as `LIVEKIT_KEYS` has them.
fn token(keys: &str, video: VideoGrant, identity: &str) -> String {
    let keys = Keys::new(&ApiKey::parse_lines(keys).unwrap());
    let now = livekit_presence::clock::Clock::system().now().as_secs();
    AccessToken::sign(identity, video, now + 600, &keys).unwrap()
}

/// A request with a body.
pub async fn ask(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Response {
    let length = body.len().to_string();
    let mut all = vec![("Content-Length", length.as_str()), ("Content-Type", "application/json")];
    all.extend(headers);
    let mut request = request_head(method, target, &all);
    request.extend_from_slice(body.as_bytes());
    let mut connection = Connection::open(address).await;
    connection.send(&request).await;
    connection.response_to(method).await
}

/// A request of the moderator of `general`.
async fn moderate(app: &TestApp, method: &str, target: &str, body: &str) -> Response {
    let bearer = format!("Bearer {}", app.token_with(admin_of("general"), "moderator", 600));
    let target = format!("/api/livekit/rooms/general/{target}");
    ask(app.address, method, &target, &[("Authorization", &bearer)], body).await
}
