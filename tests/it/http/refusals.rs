//! Requests that reach no route are refused with a problem, too, and pages of other origins can read it.

use crate::harness::{TestApp, eventually, joined};

const STREAM: &str = "/api/livekit/participants/stream?room=general";
const PAGE: &str = "https://app.example.com";

#[tokio::test]
async fn a_request_that_cannot_be_read_is_a_problem_with_cors() {
    for origins in ["*", PAGE] {
        let app = TestApp::with(&[("LKP__HTTP__CORS_ORIGINS", origins)]).await;
        let long_address = format!("GET /?{} HTTP/1.1\r\n", "x".repeat(70_000));
        let many_headers = format!("GET / HTTP/1.1\r\n{}", "X: y\r\n".repeat(150));
        let long_head = format!("GET / HTTP/1.1\r\nX: {}\r\n", "x".repeat(300_000));
        let cases = [
            ("nonsense\r\n", 400, "HTTP/1.1"),
            ("GET / HTTP/1.1\r\nbad header\r\n", 400, "HTTP/1.1"),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "HTTP/2"),
            (long_address.as_str(), 414, "65534 bytes"),
            (many_headers.as_str(), 431, "100 headers"),
            (long_head.as_str(), 431, "262144 bytes"),
        ];
        for (begin, status, expected) in cases {
            let mut connection = app.connect().await;
            // The origin comes last, as browsers write it.
            connection.send(format!("{begin}Origin: {PAGE}\r\n\r\n").as_bytes()).await;
            let response = connection.response().await;
            let detail = response.problem(status);
            assert!(detail.contains(expected), "{detail}");
            assert!(!response.header("x-request-id").is_empty());
            assert!(connection.is_closed().await);
            if !begin.starts_with("nonsense") && !begin.starts_with("PRI") {
                assert_eq!(response.header("access-control-allow-origin"), origins, "{status}");
            }
        }
        assert_eq!(app.metric("http_requests_total{route=\"none\",status=\"431\"}").await, 2.0);
    }
}

#[tokio::test]
async fn an_answer_that_is_under_way_comes_before_the_refusal() {
    let app = TestApp::start().await;
    let mut connection = app.connect().await;
    connection.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(connection.response().await.status, 200);
    connection.send(b"nonsense\r\n\r\n").await;
    connection.response().await.problem(400);
    assert!(connection.is_closed().await);
}

#[tokio::test]
async fn a_head_that_does_not_end_is_408_and_says_how_long_it_may_take() {
    let app = TestApp::with(&[("LKP__HTTP__HEAD_TIMEOUT", "300ms")]).await;
    let mut connection = app.connect().await;
    connection.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n").await;
    let response = connection.response().await;
    assert!(response.problem(408).contains("`http.head_timeout` (300ms)"));
    assert!(connection.is_closed().await);
}

#[tokio::test]
async fn a_stream_asked_for_while_draining_is_503_and_told_when_to_come_back() {
    let settings = [
        ("LKP__AUTH__MODE", "open"),
        ("LKP__SHUTDOWN__DRAIN", "2s"),
        ("LKP__HTTP__CORS_ORIGINS", "*"),
    ];
    let mut app = TestApp::with(&settings).await;
    let many = "/api/livekit/rooms/stream?room=a&room=b";
    let mut asking = Vec::new();
    for target in [STREAM, many] {
        let mut connection = app.connect().await;
        let begin = format!("GET {target} HTTP/1.1\r\nHost: a\r\nOrigin: {PAGE}\r\n");
        connection.send(begin.as_bytes()).await;
        asking.push(connection);
    }
    // The service has all of that when it has answered once more.
    assert_eq!(app.get("/healthz", &[]).await.status, 200);
    app.tell_to_end();
    eventually("it to listen no longer", async || {
        tokio::net::TcpStream::connect(app.address).await.is_err()
    })
    .await;
    for mut connection in asking {
        connection.send(b"\r\n").await;
        let response = connection.response().await;
        assert!(response.problem(503).contains("shutting down"));
        assert_eq!(response.header("retry-after"), "1");
        assert_eq!(response.header("access-control-allow-origin"), "*");
    }
    app.ended().await;
}

/// Each of these requests writes out all metrics, or calls the store.
#[tokio::test]
async fn health_and_metrics_are_limited_per_address_and_apart_from_reads() {
    let app = TestApp::with(&[
        ("LKP__LIMITS__READS_PER_ADDRESS", "2"),
        ("LKP__HTTP__TRUSTED_PROXIES", "127.0.0.1"),
    ])
    .await;
    for _ in 0..20 {
        app.get("/api/livekit/rooms", &[]).await.problem(401);
    }
    app.get("/api/livekit/rooms", &[]).await.problem(429);
    for target in ["/readyz", "/metrics", "/healthz"] {
        assert_eq!(app.get(target, &[]).await.status, 200, "clients do not use up {target}");
    }
    for (address, target) in [("1", "/readyz"), ("2", "/metrics"), ("3", "/healthz")] {
        let from = format!("198.51.100.{address}");
        let from = [("X-Forwarded-For", from.as_str())];
        let mut asked = 0;
        let refused = loop {
            let response = app.get(target, &from).await;
            asked += 1;
            if response.status != 200 {
                break response;
            }
            assert!(asked < 400, "{target} has no limit");
        };
        assert!(refused.problem(429).contains("`limits.reads_per_address` (2)"));
        // All series cost more than one word.
        let wait = if target == "/metrics" { "3" } else { "1" };
        assert_eq!(refused.header("retry-after"), wait, "{target}");
        assert!(asked >= 4, "{target}: {asked}");
    }
    assert_eq!(app.get("/readyz", &[]).await.status, 200, "each address has its own");
}

#[tokio::test]
async fn an_idle_connection_outlives_the_time_for_a_head() {
    let settings = [("LKP__HTTP__HEAD_TIMEOUT", "100ms")];
    let app = TestApp::with(&settings).await;
    let mut never_asked = app.connect().await;
    let mut connection = app.connect().await;
    let webhook = app.webhook_request(&joined("alice").bytes());
    // The body comes after the head, and must not count as the beginning of another head.
    let body_at = webhook.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    connection.send(&webhook[..body_at]).await;
    assert_eq!(app.get("/healthz", &[]).await.status, 200);
    connection.send(&webhook[body_at..]).await;
    assert_eq!(connection.response().await.status, 200);
    // Heads that begin now time out one after the other, while the idle connections, which have waited longer, stay open.
    for _ in 0..4 {
        let mut slow = app.connect().await;
        slow.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n").await;
        slow.response().await.problem(408);
    }
    for connection in [&mut connection, &mut never_asked] {
        connection.request("GET", "/healthz", &[]).await;
        assert_eq!(connection.response().await.status, 200);
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_own_time_and_without_a_word() {
    let settings = [("LKP__HTTP__IDLE_TIMEOUT", "300ms"), ("LKP__HTTP__HEAD_TIMEOUT", "20s")];
    let app = TestApp::with(&settings).await;
    let mut never_asked = app.connect().await;
    let mut connection = app.connect().await;
    connection.request("GET", "/healthz", &[]).await;
    assert_eq!(connection.response().await.status, 200);
    let mut slow = app.connect().await;
    slow.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n").await;
    assert!(connection.is_closed().await);
    assert!(never_asked.is_closed().await);
    slow.send(b"\r\n").await;
    assert_eq!(slow.response().await.status, 200, "a head that has begun has its own time");
}

/// A proxy that keeps a connection longer than the service does sends its next request into a closed one, and answers 502.
#[test]
fn the_shipped_proxies_close_idle_connections_before_the_service_does() {
    let text = |file: &str| {
        let root = env!("CARGO_MANIFEST_DIR");
        std::fs::read_to_string(format!("{root}/config/{file}")).unwrap()
    };
    let seconds = |file: &str, before: &str| {
        let text = text(file);
        let found: Vec<u64> = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix(before))
            .filter_map(|rest| rest.split_once('s')?.0.trim_matches([' ', '"']).parse().ok())
            .collect();
        assert!(!found.is_empty(), "{before} in {file}");
        found
    };
    let [idle] = seconds("default.toml", "idle_timeout =")[..] else { panic!("one") };
    assert!(idle > 60, "common balancers keep a connection for 60 s");
    for kept in [seconds("nginx.conf", "keepalive_timeout"), seconds("Caddyfile", "keepalive ")] {
        assert!(kept.iter().all(|kept| *kept < idle), "{kept:?}");
    }
}
