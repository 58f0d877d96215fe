//! A token that the service has issued, held against the rules of a real LiveKit.

use axum::body::Body;
use hyper::Request;
use serde_json::{Value, json};

use crate::harness::{AppSigner, Process, wire};

use super::scenario::{Client, Key, Plan, ROOM, Scenario, Source};

const SECRET: &str = "secret-of-the-app-0123456789abcdef";
const IDENTITY: &str = "a/b c 🚪";

/// A service that issues tokens for this LiveKit.
async fn service(livekit_url: &str) -> Process {
    let keys = format!("app: {SECRET}");
    let settings = [
        ("LIVEKIT_KEYS", &*Key::lines()),
        ("LIVEKIT_URL", livekit_url),
        ("LKP__TOKENS__KEYS", &keys),
        ("LKP__TOKENS__DEFAULT_GRANTS", "microphone subscribe"),
    ];
    Process::start(&settings).await
}

async fn ask(service: &Process) -> Value {
    let claims = json!({"sub": IDENTITY, "exp": 9_999_999_999_u64});
    let bearer = format!("Bearer {}", AppSigner::secret(SECRET).sign(None, &claims));
    let body = json!({"room": ROOM, "name": "Alice", "metadata": "seat 7"});
    let request = Request::post("/api/livekit/token")
        .header("authorization", bearer)
        .body(Body::from(body.to_string()))
        .unwrap();
    let (status, answer) = wire::fetch(service.address.port(), request).await.unwrap();
    assert_eq!(status, 200, "{answer:?}");
    serde_json::from_slice(&answer).unwrap()
}

#[tokio::test]
async fn a_token_joins_a_real_room_with_what_it_grants_and_no_more() {
    let Some(scenario) = Plan::named("token").start().await else { return };
    let service = service(&scenario.livekit.url()).await;
    let issued = ask(&service).await;
    let (url, token) = (issued["url"].as_str().unwrap(), issued["token"].as_str().unwrap());
    assert_eq!(url, scenario.livekit.url());
    let driver = scenario.new_driver().await;
    let guest = Scenario::guest(IDENTITY);
    let (alice, _) = Client::join_with(&driver, url, token, &guest).await.unwrap();
    alice.publish(Source::Microphone).await;
    scenario.settles(&[&alice]).await;
    let listed = scenario.api().list_participants(ROOM).await.done().body;
    let listed = &listed["participants"][0];
    assert_eq!((&listed["identity"], &listed["name"]), (&json!(IDENTITY), &json!("Alice")));
    assert_eq!(listed["metadata"], "seat 7");
    let permission = &listed["permission"];
    assert_eq!(
        (&permission["can_publish"], &permission["can_subscribe"], &permission["can_publish_data"]),
        (&json!(true), &json!(true), &json!(false)),
        "{permission}"
    );
    assert_eq!(permission["can_publish_sources"], json!(["MICROPHONE"]));
    assert_eq!(permission["can_update_metadata"], json!(false));
    alice.try_publish(Source::Camera).await.unwrap_err();
    scenario.settles(&[&alice]).await;
}
