//! Limits of streams, reads and refused webhooks.

use crate::harness::{TestApp, eventually, joined, webhook_request};

const STREAM: &str = "/api/livekit/participants/stream?room=general";

#[tokio::test]
async fn streams_are_limited_per_address_as_trusted_proxies_tell_it() {
    let app = TestApp::with(&[
        ("LKP__LIMITS__STREAMS_PER_ADDRESS", "1"),
        ("LKP__AUTH__MODE", "open"),
        ("LKP__HTTP__TRUSTED_PROXIES", "127.0.0.0/8"),
    ])
    .await;
    let from = |address: &'static str| [("X-Forwarded-For", address)];
    let _first = app.open_stream(STREAM, &from("198.51.100.1")).await;
    let second = app.get(STREAM, &from("6.6.6.6, 198.51.100.1")).await;
    assert!(second.problem(429).contains("from this address"));
    let _other = app.open_stream(STREAM, &from("198.51.100.2")).await;
}

#[tokio::test]
async fn nobody_but_a_trusted_proxy_is_believed() {
    let app =
        TestApp::with(&[("LKP__LIMITS__STREAMS_PER_ADDRESS", "1"), ("LKP__AUTH__MODE", "open")])
            .await;
    let _first = app.open_stream(STREAM, &[("X-Forwarded-For", "198.51.100.1")]).await;
    app.get(STREAM, &[("X-Forwarded-For", "198.51.100.2")]).await.problem(429);
}

#[tokio::test]
async fn streams_are_limited_in_all() {
    let app = TestApp::with(&[("LKP__LIMITS__STREAMS", "1"), ("LKP__AUTH__MODE", "open")]).await;
    let _first = app.open_stream(STREAM, &[]).await;
    let second = app.get(STREAM, &[]).await;
    assert!(second.problem(503).contains("as many streams as it can take"));
    assert_eq!(second.header("retry-after"), "10");
    assert_eq!(app.get("/api/livekit/participants?room=general", &[]).await.status, 200);
}

#[tokio::test]
async fn reads_are_limited_per_address() {
    let app = TestApp::with(&[
        ("LKP__LIMITS__READS_PER_ADDRESS", "1"),
        ("LKP__AUTH__MODE", "open"),
        ("LKP__HTTP__TRUSTED_PROXIES", "127.0.0.1"),
    ])
    .await;
    let routes = ["/api/livekit/participants?room=a", "/api/livekit/rooms"];
    for number in 0..10 {
        assert_eq!(app.get(routes[number % 2], &[]).await.status, 200);
    }
    for route in routes.iter().chain(&[STREAM]) {
        let refused = app.get(route, &[]).await;
        assert!(refused.problem(429).contains("slow down"));
        assert_eq!(refused.header("retry-after"), "1");
    }
    let other = app.get(routes[0], &[("X-Forwarded-For", "198.51.100.2")]).await;
    assert_eq!(other.status, 200);
    assert_eq!(app.get("/healthz", &[]).await.status, 200, "health is counted apart");
}

#[tokio::test]
async fn a_stream_of_many_rooms_costs_a_read_for_each() {
    let app =
        TestApp::with(&[("LKP__LIMITS__READS_PER_ADDRESS", "1"), ("LKP__AUTH__MODE", "open")])
            .await;
    let _first = app.rooms_subscriber(&["a", "b", "c", "d", "e", "f"]).await;
    let target = "/api/livekit/rooms/stream?room=a&room=b&room=c&room=d&room=e";
    assert!(app.get(target, &[]).await.problem(429).contains("slow down"));
    let _second = app.rooms_subscriber(&["a", "b"]).await;
}

#[tokio::test]
async fn refused_webhooks_are_limited_and_good_ones_never() {
    let app = TestApp::with(&[("LKP__LIMITS__REFUSED_WEBHOOKS_PER_ADDRESS", "1")]).await;
    let bad = webhook_request("/api/livekit/webhook", &[("Authorization", "bad")], b"{}");
    for _ in 0..10 {
        app.send(&bad).await.problem(401);
    }
    let refused = app.send(&bad).await;
    assert!(refused.problem(429).contains("check its API key"));
    assert_eq!(refused.header("retry-after"), "1");
    for number in 0..20 {
        app.webhook(joined(&format!("user-{number}"))).await;
    }
    assert_eq!(app.metric("webhooks_total{event=\"unknown\",outcome=\"limited\"}").await, 1.0);
}

#[tokio::test]
async fn a_stream_that_was_never_handed_over_is_not_counted() {
    let app = TestApp::with(&[("LKP__LIMITS__STREAMS", "1"), ("LKP__AUTH__MODE", "open")]).await;
    for _ in 0..20 {
        let mut connection = app.connect().await;
        connection.request("GET", STREAM, &[]).await;
        drop(connection);
    }
    eventually("all of them to be forgotten", async || {
        let mut connection = app.connect().await;
        connection.request("GET", STREAM, &[]).await;
        connection.head().await.status() == 200
    })
    .await;
}
