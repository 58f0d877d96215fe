//! A real LiveKit, or one whose clock is wrong.

use std::time::{Duration, SystemTime};

use axum::{Router, http::header, routing::post};
use futures_util::future::join_all;
use tokio::net::TcpListener;

use crate::{
    harness::free_port,
    real::scenario::{Key, LiveKitServer, LiveKitSettings, Tools},
};

use super::Deployment;

/// A LiveKit that sends its webhooks to this address, or to none. None if it is not installed.
pub async fn livekit(test: &'static str, webhook_url: &str) -> Option<LiveKitServer> {
    let tools = Tools::find(test)?;
    let settings = LiveKitSettings {
        redis: None,
        psrpc_lists: false,
        remote_unmute: false,
        webhook_key: Key::First,
        webhook_url: webhook_url.to_owned(),
    };
    Some(LiveKitServer::start(&tools, settings).await)
}

#[tokio::test]
async fn a_livekit_that_sends_no_webhooks_is_named() {
    let Some(livekit) = livekit("doctor_without_webhooks", "").await else { return };
    let (keys, url) = (Key::lines(), livekit.url());
    let deployment = Deployment::with(&[("LIVEKIT_KEYS", &keys), ("LIVEKIT_URL", &url)]).await;
    let said = deployment.examined().await;
    said.is_only(
        "livekit-webhooks",
        "no webhook of that arrived within 3s",
        "urls: [http://127.0.0.1:",
    );
    assert_eq!((said.verdict("livekit"), said.verdict("clock")), ("ok", "ok"));
}

#[tokio::test]
async fn a_wrong_secret_and_an_unknown_key_are_named() {
    let Some(livekit) = livekit("doctor_wrong_secret", "").await else { return };
    let url = livekit.url();
    let wrong = [
        (
            "APIfirst: another-secret-0123456789abcdefghijk",
            "APIfirst, but with another secret",
            "LIVEKIT_API_SECRET",
        ),
        (
            "APIthird: another-secret-0123456789abcdefghijk",
            "does not know the API key APIthird",
            "LIVEKIT_API_KEY",
        ),
    ];
    join_all(wrong.map(async |(keys, what, remedy)| {
        let deployment = Deployment::with(&[("LIVEKIT_KEYS", keys), ("LIVEKIT_URL", &url)]).await;
        deployment.examined().await.is_only("livekit", what, remedy);
    }))
    .await;
}

#[tokio::test]
async fn a_wrong_address_of_livekit_is_named() {
    let deployment = Deployment::with(&[]).await;
    let nobody = format!("ws://127.0.0.1:{}", free_port());
    let service = format!("http://{}", deployment.service.address);
    let with_tls = format!("wss://{}", deployment.service.address);
    let wrong = [
        (&nobody, "Connection refused", "Start it, or correct host and port in `livekit.url`"),
        (&service, "is not LiveKit's API: 404", "LiveKit's own port is 7880"),
        (&with_tls, "gives no answer", "No TLS is spoken there"),
    ];
    join_all(wrong.map(async |(url, what, remedy)| {
        let said = deployment.examined_with(&[], &[("LIVEKIT_URL", url)]).await;
        said.is_only("livekit", what, remedy);
    }))
    .await;
}

/// Answers as LiveKit does, an hour ahead.
async fn early_livekit() -> String {
    let rooms = async || {
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_hours(1));
        ([(header::DATE, date)], r#"{"rooms":[]}"#)
    };
    let router = Router::new().route("/twirp/livekit.RoomService/ListRooms", post(rooms));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_named() {
    let url = early_livekit().await;
    let deployment = Deployment::with(&[]).await;
    let said = deployment.examined_with(&[], &[("LIVEKIT_URL", &url)]).await;
    said.is_only("clock", "LiveKit's clock is 3600 s ahead", "NTP");
    assert_eq!(said.verdict("livekit"), "ok");
}
