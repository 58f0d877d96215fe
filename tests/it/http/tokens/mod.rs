//! `POST /api/livekit/token`: who gets a token of LiveKit, and what it grants.

mod authorized;
mod issued;
mod keys;
mod matrix;
mod pages;
mod rate;

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::harness::{AppSigner, Response, TestApp, request_head};

pub const TOKEN: &str = "/api/livekit/token";
pub const URL: &str = "wss://livekit.example.com";
pub const APP_SECRET: &str = "secret-of-the-app-0123456789abcdef";
pub const APP_KEYS: &str = "app: secret-of-the-app-0123456789abcdef";
pub const AUDIENCE: &str = "https://presence.example.com";

/// A service that takes tokens which the app has signed with a secret.
pub async fn with_app_keys(settings: &[(&str, &str)]) -> TestApp {
    let own = [("LKP__TOKENS__KEYS", APP_KEYS), ("LKP__TOKENS__URL", URL)];
    TestApp::with(&[&own, settings].concat()).await
}

/// A token of the app for somebody, for the next minutes.
pub fn app_token(identity: &str) -> String {
    AppSigner::secret(APP_SECRET).sign(None, &json!({"sub": identity, "exp": in_secs(300)}))
}

pub fn in_secs(secs: i64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    now.checked_add_signed(secs).unwrap()
}

/// Asks for a token for a room.
pub async fn ask(app: &TestApp, token: &str, room: &str) -> Response {
    post(app, &[("Authorization", &format!("Bearer {token}"))], &json!({"room": room}).to_string())
        .await
}

pub async fn post(app: &TestApp, headers: &[(&str, &str)], body: &str) -> Response {
    let length = body.len().to_string();
    let own = [("Content-Length", length.as_str()), ("Content-Type", "application/json")];
    let mut request = request_head("POST", TOKEN, &[&own, headers].concat());
    request.extend_from_slice(body.as_bytes());
    app.send(&request).await
}

/// The claims of a token that was issued.
pub fn claims(answer: &Response) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), "no-store");
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}
