//! Wrong requests are refused with one sentence that says what to do.

use crate::harness::TestApp;

#[tokio::test]
async fn an_invalid_room_name_is_400_before_anything_else() {
    let app = TestApp::start().await;
    let long = format!("?room={}", "x".repeat(513));
    let cases = [
        ("", "name a room"),
        ("?room", "empty"),
        ("?room=", "empty"),
        ("?rooms=a", "name a room"),
        (long.as_str(), "longer than 512 bytes"),
        ("?room=a%0Ab", "control character"),
        ("?room=a%00", "control character"),
        ("?room=%FF%FE", "not UTF-8"),
    ];
    for route in ["participants", "participants/stream", "rooms/stream"] {
        for (query, expected) in cases {
            // There is no token: the name of the room is checked first.
            let response = app.get(&format!("/api/livekit/{route}{query}"), &[]).await;
            let detail = response.problem(400);
            assert!(detail.contains(expected), "{route}{query}: {detail}");
        }
    }
    for route in ["participants", "participants/stream"] {
        let response = app.get(&format!("/api/livekit/{route}?room=a&room=b"), &[]).await;
        assert!(response.problem(400).contains("exactly one room"));
    }
}

#[tokio::test]
async fn an_unknown_path_is_404() {
    let app = TestApp::start().await;
    for target in ["/nothing", "/api", "/api/livekit", "/api/livekit/participants/", "/page.html"] {
        app.get(target, &[]).await.problem(404);
    }
    app.ask("POST", "/nothing", &[]).await.problem(404);
}

#[tokio::test]
async fn a_method_that_is_not_taken_is_405_and_told_which_are() {
    let app = TestApp::start().await;
    let cases = [
        ("GET", "/api/livekit/webhook", "POST"),
        ("PUT", "/api/webhooks/livekit", "POST"),
        ("POST", "/api/livekit/participants?room=a", "GET,HEAD"),
        ("DELETE", "/api/livekit/participants/stream?room=a", "GET,HEAD"),
        ("POST", "/api/livekit/rooms", "GET,HEAD"),
        ("POST", "/api/livekit/rooms/stream?room=a", "GET,HEAD"),
        ("POST", "/healthz", "GET,HEAD"),
        ("POST", "/", "GET,HEAD"),
    ];
    for (method, target, allowed) in cases {
        let response = app.ask(method, target, &[("Content-Length", "0")]).await;
        response.problem(405);
        assert_eq!(response.header("allow"), allowed, "{method} {target}");
    }
}

#[tokio::test]
async fn malformed_http_is_refused_and_the_service_goes_on() {
    let app = TestApp::start().await;
    let long_head = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(300_000));
    let cases: [(&[u8], u16); 4] = [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400),
        (b"POST /api/livekit/webhook HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (long_head.as_bytes(), 431),
    ];
    for (request, expected) in cases {
        let mut connection = app.connect().await;
        connection.send(request).await;
        assert_eq!(connection.response().await.status, expected);
    }
    let mut gone = app.connect().await;
    gone.send(b"GET /api/livekit/partic").await;
    drop(gone);
    assert_eq!(app.get("/healthz", &[]).await.status, 200);
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_a_fit_one_is_kept() {
    let app = TestApp::start().await;
    let first = app.get("/healthz", &[]).await;
    let second = app.get("/nothing", &[]).await;
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    let named = app.get("/healthz", &[("X-Request-Id", "abc-123_4.5")]).await;
    assert_eq!(named.header("x-request-id"), "abc-123_4.5");
    let long = "x".repeat(65);
    for unfit in ["a b", "a\"b", &long] {
        let response = app.get("/healthz", &[("X-Request-Id", unfit)]).await;
        assert_ne!(response.header("x-request-id"), unfit);
    }
}
