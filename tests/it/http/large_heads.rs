//! Large heads: many rooms in one address, long access tokens.

use std::time::{Duration, Instant};

use axum::body::Body;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use hyper::Request;
use livekit_presence::clock::Clock;
use sha2::Sha256;

use crate::harness::{Connection, Nginx, PROCESS_KEYS, Process, TestApp, eventually, joined, wire};

const LIST: &str = "/api/livekit/participants?room=general";
const KEY: &str = "APIlarge: secret-of-large-heads-0123456789abcdef";
const PAGE: &str = "https://app.example.com";

/// A hundred rooms with names of 21 Japanese characters: 20 KB of address.
fn hundred_rooms() -> String {
    let name =
        |number: u32| format!("{}{}", char::from_u32(0x4e00 + number).unwrap(), "東".repeat(20));
    let encoded = |byte: u8| format!("%{byte:02X}");
    let encoded = |name: String| name.bytes().map(encoded).collect::<String>();
    let rooms: Vec<_> = (0..100).map(|number| format!("room={}", encoded(name(number)))).collect();
    format!("/api/livekit/rooms/stream?{}", rooms.join("&"))
}

/// A token with `bytes` of metadata, of which every second character is escaped. `key` is "name: secret".
fn token_with_metadata(key: &str, bytes: usize) -> String {
    let (name, secret) = key.split_once(": ").unwrap();
    let claims = serde_json::json!({
        "iss": name,
        "sub": "alice",
        "exp": Clock::system().now().as_secs() + 600,
        "metadata": "x\"".repeat(bytes / 2),
        "video": { "roomList": true },
    });
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn a_hundred_rooms_with_long_names_fit_into_one_address() {
    let app = TestApp::with(&[("LKP__AUTH__MODE", "open")]).await;
    let target = hundred_rooms();
    assert!(target.len() > 17 * 1024);
    let mut subscriber = app.open_stream(&target, &[]).await;
    for _ in 0..100 {
        assert_eq!(subscriber.next().await.unwrap().name, "room:snapshot");
    }
}

#[tokio::test]
async fn a_token_with_64_kib_of_metadata_fits_into_a_header_and_one_of_20_into_an_address() {
    let app = TestApp::with_keys(&[], KEY).await;
    app.webhook(joined("alice")).await;
    for kib in [20, 64] {
        let bearer = format!("Bearer {}", token_with_metadata(KEY, kib * 1024));
        let headers = [("Authorization", bearer.as_str())];
        assert_eq!(app.get(LIST, &headers).await.status, 200, "{kib} KiB");
        let target = "/api/livekit/participants/stream?room=general";
        app.open_stream(target, &headers).await.until_list(&["alice"]).await;
    }
    let token = token_with_metadata(KEY, 20 * 1024);
    let target = format!("/api/livekit/participants/stream?room=general&access_token={token}");
    app.open_stream(&target, &[]).await.until_list(&["alice"]).await;
}

#[tokio::test]
async fn a_token_that_does_not_fit_into_an_address_is_told_where_it_fits() {
    let app = TestApp::with_keys(&[("LKP__HTTP__CORS_ORIGINS", PAGE)], KEY).await;
    let token = token_with_metadata(KEY, 64 * 1024);
    let target = format!("{LIST}&access_token={token}");
    let refused = app.get(&target, &[("Origin", PAGE)]).await;
    assert!(refused.problem(414).contains("`Authorization: Bearer`"));
    assert_eq!(refused.header("access-control-allow-origin"), PAGE);
}

#[tokio::test]
async fn a_large_head_is_followed_by_others_on_a_connection_that_had_small_ones() {
    let app = TestApp::with(&[("LKP__AUTH__MODE", "open")]).await;
    let mut connection = app.connect().await;
    let large = "x".repeat(100_000);
    for padding in ["", "x", &large] {
        connection.request("GET", LIST, &[("X-Padding", padding)]).await;
        let response = connection.response().await;
        assert_eq!(response.status, 200);
        assert_eq!(response.head.get("connection").is_some(), padding.len() > 1);
    }
    assert!(connection.is_closed().await, "what a large head takes in memory goes with it");
}

/// The memory that strangers can take is bounded, and no address gets all of it.
#[tokio::test]
async fn large_heads_have_a_share_of_memory_and_an_address_a_part_of_it() {
    let app = TestApp::with(&[
        ("LKP__AUTH__MODE", "open"),
        // Four of 512 KiB; an address has two.
        ("LKP__LIMITS__HEAD_BYTES", "2097152"),
    ])
    .await;
    let begun = format!("GET {LIST} HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(50_000));
    let mut slow = Vec::new();
    let refused = loop {
        let mut connection = app.connect().await;
        connection.send(begun.as_bytes()).await;
        connection.send(b"\r\n").await;
        slow.push(connection);
        assert!(slow.len() < 10, "there is no bound");
        let mut another = app.connect().await;
        another.send(format!("{begun}\r\n\r\n").as_bytes()).await;
        let response = another.response().await;
        if response.status != 200 {
            break response;
        }
    };
    assert!(refused.problem(503).contains("`limits.head_bytes`"));
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(slow.len(), 2);
    assert_eq!(app.get(LIST, &[]).await.status, 200, "small heads need no share");
    let mut other = Connection::from("127.0.0.2", app.address).await;
    other.send(format!("{begun}\r\n\r\n").as_bytes()).await;
    assert_eq!(other.response().await.status, 200);
    drop(slow);
    eventually("a place to be free again", async || {
        let mut connection = app.connect().await;
        connection.send(format!("{begun}\r\n\r\n").as_bytes()).await;
        connection.response().await.status == 200
    })
    .await;
}

#[tokio::test]
async fn clients_that_are_slow_with_large_heads_make_room_for_others() {
    let app = TestApp::with(&[
        ("LKP__AUTH__MODE", "open"),
        // Four of 512 KiB; an address has two.
        ("LKP__LIMITS__HEAD_BYTES", "2097152"),
    ])
    .await;
    let begun = format!("GET {LIST} HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(50_000));
    let mut slow = Vec::new();
    for number in 0..4 {
        let from = if number < 2 { "127.0.0.2" } else { "127.0.0.3" };
        let mut connection = Connection::from(from, app.address).await;
        connection.send(begun.as_bytes()).await;
        slow.push(connection);
    }
    for _ in 0..10 {
        let mut other = Connection::from("127.0.0.4", app.address).await;
        other.send(format!("{begun}\r\n\r\n").as_bytes()).await;
        assert_eq!(other.response().await.status, 200);
    }
    assert!(slow[0].is_closed().await, "the first that did not go on made room");
}

/// The service notices in the middle of a head that it is large, and must not restart the timeout then. The test really waits two
/// seconds, because only elapsed time shows that.
#[tokio::test]
async fn a_large_head_has_no_more_time_than_a_small_one() {
    let app = TestApp::with(&[("LKP__HTTP__HEAD_TIMEOUT", "3s")]).await;
    let mut connection = app.connect().await;
    let started = Instant::now();
    connection.send(format!("GET {LIST} HTTP/1.1\r\nHost: a\r\nX: ").as_bytes()).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    connection.send("x".repeat(50_000).as_bytes()).await;
    connection.response().await.problem(408);
    assert!(started.elapsed() < Duration::from_millis(4_900), "{:?}", started.elapsed());
}

#[tokio::test]
async fn the_shipped_nginx_lets_them_through() {
    let settings = [("LKP__AUTH__MODE", "livekit")];
    let service = Process::start(&settings).await;
    let nginx = Nginx::before(&[service.address.port()]).await;
    let ask = async |target: &str, metadata: usize| {
        let bearer = format!("Bearer {}", token_with_metadata(PROCESS_KEYS, metadata));
        let request = Request::get(target).header("authorization", bearer);
        wire::fetch(nginx.port, request.body(Body::empty()).unwrap()).await.unwrap().0
    };
    assert_eq!(ask(LIST, 64 * 1024).await, 200);
    let long = hundred_rooms().replace("/rooms/stream?", "/rooms?");
    assert_eq!(ask(&long, 1024).await, 200);
}
