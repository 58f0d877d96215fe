//! Which tokens may read what, and from which pages.

use livekit_presence::livekit::{AccessToken, ApiKey, Keys, VideoGrant, WebhookToken};

use crate::harness::{StoreFault, TestApp, joined, webhook_request};

const LIST: &str = "/api/livekit/participants?room=general";

fn joins(room: &str) -> VideoGrant {
    VideoGrant { room: room.into(), room_join: true, ..VideoGrant::default() }
}

#[tokio::test]
async fn a_token_comes_in_the_header_or_in_the_query() {
    let app = TestApp::start().await;
    let token = app.token("general", 60);
    let bearer = format!("bearer {token}");
    assert_eq!(app.get(LIST, &[("Authorization", &bearer)]).await.status, 200);
    assert_eq!(app.get(&format!("{LIST}&access_token={token}"), &[]).await.status, 200);
    let wrong_query = format!("{LIST}&access_token=wrong");
    let both = app.get(&wrong_query, &[("Authorization", &bearer)]).await;
    assert_eq!(both.status, 200, "the header comes before the query");
}

// A token that was read from a file ends in a line break. Headers are trimmed on their way, addresses are not.
#[tokio::test]
async fn a_token_in_the_query_may_end_in_a_line_break() {
    let app = TestApp::start().await;
    let token = app.token("general", 60);
    for around in ["%0A", "%0D%0A", "+", "%20", "%09"] {
        let target = format!("{LIST}&access_token={around}{token}{around}");
        assert_eq!(app.get(&target, &[]).await.status, 200, "{around}");
    }
    let inside = format!("{LIST}&access_token={token}%0A{token}");
    app.get(&inside, &[]).await.problem(401);
}

// A page behind nginx's `auth_basic` sends the proxy's password with every request, and nginx passes it on.
#[tokio::test]
async fn a_header_of_another_scheme_is_passed_over_for_the_query_and_the_cookie() {
    let app = TestApp::with(&[("LKP__AUTH__COOKIE", "session")]).await;
    let token = app.token("general", 60);
    let in_query = format!("{LIST}&access_token={token}");
    let cookie = format!("session={token}");
    let raw = token.as_str();
    let others = [
        "Basic dXNlcjpwYXNzd29yZA==",
        "basic dXNlcjpwYXNzd29yZA==",
        "Digest username=\"user\", realm=\"proxy\"",
        "Negotiate YIIZ",
        "Token abc",
        "Bearerish abc",
        "Basic",
        "",
        raw,
    ];
    for other in others {
        let asked = app.get(&in_query, &[("Authorization", other)]).await;
        assert_eq!(asked.status, 200, "{other:?} and the query");
        let asked = app.get(LIST, &[("Authorization", other), ("Cookie", &cookie)]).await;
        assert_eq!(asked.status, 200, "{other:?} and the cookie");
        let alone = app.get(LIST, &[("Authorization", other)]).await.problem(401);
        let says = if other.is_empty() { "is needed" } else { "must be `Bearer`" };
        assert!(alone.contains(says), "{other:?}: {alone}");
    }
    let bearer = format!("BEARER  {token} ");
    let both = [("Authorization", "Basic dXNlcjpwYXNzd29yZA=="), ("Authorization", &bearer)];
    assert_eq!(app.get(LIST, &both).await.status, 200, "of several headers, the one that is ours");
}

#[tokio::test]
async fn a_header_of_our_scheme_is_the_word_that_counts() {
    let app = TestApp::start().await;
    let in_query = format!("{LIST}&access_token={}", app.token("general", 60));
    for (wrong, says) in
        [("Bearer x.y.z", "not a JWT"), ("Bearer", "must be `Bearer`"), ("bearer undefined", "JWT")]
    {
        let refused = app.get(&in_query, &[("Authorization", wrong)]).await.problem(401);
        assert!(refused.contains(says), "{wrong}: {refused}");
    }
}

#[tokio::test]
async fn no_token_or_one_that_is_not_valid_is_401() {
    let app = TestApp::start().await;
    let expired = format!("Bearer {}", app.token("general", -61));
    let webhook = format!("Bearer {}", app.sign(b"{}"));
    let cases: [(&[(&str, &str)], &str); 6] = [
        (&[], "access token is needed"),
        (&[("Authorization", "Basic YTpi")], "must be `Bearer`"),
        (&[("Authorization", "Bearer")], "must be `Bearer`"),
        (&[("Authorization", "Bearer x.y.z")], "not a JWT"),
        (&[("Authorization", &expired)], "expired"),
        (&[("Authorization", &webhook)], "a webhook's"),
    ];
    let routes = [
        LIST,
        "/api/livekit/participants/stream?room=general",
        "/api/livekit/rooms",
        "/api/rooms",
        "/api/livekit/rooms/stream?room=general",
    ];
    for route in routes {
        for (headers, expected) in &cases {
            let response = app.get(route, headers).await;
            let detail = response.problem(401);
            assert!(detail.contains(expected), "{route}: {detail}");
            assert_eq!(response.header("www-authenticate"), "Bearer realm=\"livekit-presence\"");
        }
    }
}

#[tokio::test]
async fn a_token_opens_what_it_names_and_nothing_else() {
    let app = TestApp::start().await;
    let admin = VideoGrant { room: "general".into(), room_admin: true, ..VideoGrant::default() };
    let admin_of_all = VideoGrant { room_admin: true, ..VideoGrant::default() };
    let lists = VideoGrant { room_list: true, ..VideoGrant::default() };
    let joins_any = VideoGrant { room_join: true, ..VideoGrant::default() };
    let cases = [
        (joins("general"), 200, 403, 403),
        (admin, 200, 403, 403),
        (joins("other"), 403, 403, 403),
        (joins_any, 403, 403, 403),
        (VideoGrant::default(), 403, 403, 403),
        (lists, 200, 200, 200),
        (admin_of_all, 200, 200, 200),
    ];
    for (grant, list, rooms, two_rooms) in cases {
        let token = app.token_with(grant.clone(), "alice", 60);
        let bearer = [("Authorization", format!("Bearer {token}"))];
        let bearer = bearer.each_ref().map(|(name, value)| (*name, value.as_str()));
        assert_eq!(app.get(LIST, &bearer).await.status, list, "{grant:?}");
        assert_eq!(app.get("/api/livekit/rooms", &bearer).await.status, rooms, "{grant:?}");
        let both = "/api/livekit/rooms/stream?room=general&room=music";
        let mut connection = app.connect().await;
        connection.request("GET", both, &bearer).await;
        assert_eq!(connection.head().await.status(), two_rooms, "{grant:?}");
    }
    let response =
        app.get(LIST, &[("Authorization", &format!("Bearer {}", app.token("x", 60)))]).await;
    assert!(response.problem(403).contains("`video.room`"));
}

#[tokio::test]
async fn in_open_mode_anybody_reads() {
    let app = TestApp::with(&[("LKP__AUTH__MODE", "open")]).await;
    assert_eq!(app.get(LIST, &[]).await.status, 200);
    assert_eq!(app.get(LIST, &[("Authorization", "Bearer nonsense")]).await.status, 200);
    assert_eq!(app.get("/api/rooms", &[]).await.status, 200);
}

#[tokio::test]
async fn a_cookie_is_read_only_if_configured_and_only_for_known_pages() {
    let origin = ("LKP__HTTP__CORS_ORIGINS", "https://app.example.com");
    let closed = TestApp::with(&[origin]).await;
    let cookie = format!("a=b; session={}; c=d", closed.token("general", 60));
    assert_eq!(closed.get(LIST, &[("Cookie", &cookie)]).await.status, 401);

    let app = TestApp::with(&[origin, ("LKP__AUTH__COOKIE", "session")]).await;
    let cookie = format!("a=b; session={}; c=d", app.token("general", 60));
    let cases: [(&[(&str, &str)], u16); 8] = [
        (&[], 200),
        (&[("Origin", "https://app.example.com")], 200),
        (&[("Origin", "http://presence.test")], 200),
        (&[("Origin", "https://evil.example")], 403),
        (&[("Origin", "null")], 403),
        (&[("Sec-Fetch-Site", "same-origin")], 200),
        (&[("Sec-Fetch-Site", "cross-site")], 403),
        (&[("Sec-Fetch-Site", "same-site")], 403),
    ];
    for (headers, expected) in cases {
        let mut all = vec![("Cookie", cookie.as_str())];
        all.extend(headers);
        assert_eq!(app.get(LIST, &all).await.status, expected, "{headers:?}");
    }
}

#[tokio::test]
async fn other_origins_pages_read_if_they_are_named() {
    let app = TestApp::with(&[
        ("LKP__HTTP__CORS_ORIGINS", "https://a.example, https://b.example"),
        ("LKP__AUTH__MODE", "open"),
    ])
    .await;
    app.webhook(joined("alice")).await;
    let named = app.get(LIST, &[("Origin", "https://b.example")]).await;
    assert_eq!(named.header("access-control-allow-origin"), "https://b.example");
    assert_eq!(
        named.header("access-control-expose-headers"),
        "etag,retry-after,x-cache,x-next-cursor,x-request-id"
    );
    assert!(named.header("vary").contains("origin"));
    let stranger = app.get(LIST, &[("Origin", "https://c.example")]).await;
    assert_eq!(stranger.head.get("access-control-allow-origin"), None);
    let stream = app
        .open_stream(
            "/api/livekit/participants/stream?room=general",
            &[("Origin", "https://a.example")],
        )
        .await;
    assert_eq!(stream.head.get("access-control-allow-origin"), Some("https://a.example"));
    let refused = app.get("/api/livekit/participants", &[("Origin", "https://a.example")]).await;
    refused.problem(400);
    assert_eq!(refused.header("access-control-allow-origin"), "https://a.example");
}

#[tokio::test]
async fn a_preflight_is_told_what_is_allowed() {
    let app = TestApp::with(&[("LKP__HTTP__CORS_ORIGINS", "*")]).await;
    let headers = [
        ("Origin", "https://any.example"),
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "authorization,if-none-match,last-event-id"),
    ];
    let response = app.ask("OPTIONS", LIST, &headers).await;
    assert_eq!(response.status, 200, "without a token, which browsers do not send with it");
    assert_eq!(response.header("access-control-allow-origin"), "*");
    assert_eq!(response.header("access-control-allow-methods"), "GET,HEAD,POST,PUT,PATCH,DELETE");
    assert_eq!(
        response.header("access-control-allow-headers"),
        "authorization,if-none-match,last-event-id"
    );
    assert_eq!(response.header("access-control-max-age"), "7200");
    assert_eq!(response.head.get("access-control-allow-credentials"), None);
}

// Tracing and monitoring add headers to each request of a page. One that is not allowed would fail the request.
#[tokio::test]
async fn a_page_may_send_the_headers_of_tracing() {
    let app = TestApp::with(&[
        ("LKP__HTTP__CORS_ORIGINS", "https://a.example"),
        ("LKP__AUTH__COOKIE", "session"),
    ])
    .await;
    let preflight = async |asked: &str| {
        let headers = [
            ("Origin", "https://a.example"),
            ("Access-Control-Request-Method", "GET"),
            ("Access-Control-Request-Headers", asked),
        ];
        app.ask("OPTIONS", LIST, &headers).await
    };
    let asked = "accept,authorization,b3,baggage,cache-control,elastic-apm-traceparent,if-none-match,\
                 last-event-id,newrelic,pragma,sentry-trace,traceparent,tracestate,x-b3-traceid,\
                 x-datadog-trace-id,x-made-up-tomorrow,x-request-id,x-requested-with";
    let response = preflight(asked).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("access-control-allow-headers"), asked);
    assert_eq!(response.header("access-control-allow-origin"), "https://a.example");
    assert_eq!(response.header("access-control-allow-credentials"), "true");
    // Pages may not set the headers of proxies, and a malformed name is not repeated.
    let response = preflight("traceparent,x-forwarded-for,forwarded,a b,<script>").await;
    assert_eq!(response.header("access-control-allow-headers"), "traceparent");
    assert_eq!(preflight("x-real-ip").await.head.get("access-control-allow-headers"), None);
    let strangers = [
        ("Origin", "https://b.example"),
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "traceparent"),
    ];
    let response = app.ask("OPTIONS", LIST, &strangers).await;
    assert_eq!(response.head.get("access-control-allow-origin"), None);
}

#[tokio::test]
async fn origins_are_known_however_they_are_configured() {
    let app = TestApp::with(&[
        (
            "LKP__HTTP__CORS_ORIGINS",
            "HTTPS://App.Example.com:443, https://bücher.example, https://*.preview.example.com",
        ),
        ("LKP__AUTH__COOKIE", "session"),
    ])
    .await;
    let cookie = format!("session={}", app.token("general", 60));
    let cases = [
        ("https://app.example.com", true),
        ("https://xn--bcher-kva.example", true),
        ("https://pr-7.preview.example.com", true),
        ("https://preview.example.com", false),
        ("https://a.b.preview.example.com", false),
        ("https://evilpreview.example.com", false),
        ("http://pr-7.preview.example.com", false),
        ("https://pr-7.preview.example.com:8443", false),
    ];
    for (origin, is_known) in cases {
        let response = app.get(LIST, &[("Origin", origin), ("Cookie", &cookie)]).await;
        assert_eq!(response.status, if is_known { 200 } else { 403 }, "{origin}");
        let allowed = response.head.get("access-control-allow-origin");
        assert_eq!(allowed, is_known.then_some(origin));
        let with_cookies = response.head.get("access-control-allow-credentials");
        assert!(!is_known || with_cookies == Some("true"), "{origin}");
    }
}

#[tokio::test]
async fn other_origins_pages_can_read_why_they_were_refused() {
    let app = TestApp::with(&[
        ("LKP__HTTP__CORS_ORIGINS", "https://a.example"),
        // The newest stream of an identity is never refused; that of an address is.
        ("LKP__LIMITS__STREAMS_PER_ADDRESS", "1"),
        ("LKP__HTTP__TRUSTED_PROXIES", "127.0.0.1"),
    ])
    .await;
    let bearer = |token: String| format!("Bearer {token}");
    let (subscriber, operator) = (bearer(app.token("general", 60)), bearer(app.list_token()));
    let stream = "/api/livekit/participants/stream?room=general";
    let _open = app.open_stream(stream, &[("Authorization", &subscriber)]).await;
    app.store.set_fault(StoreFault::Fails);
    let cases = [
        ("/api/livekit/participants", operator.as_str(), 400),
        (LIST, "Bearer nonsense", 401),
        ("/api/livekit/participants?room=other", &subscriber, 403),
        ("/api/livekit/rooms", &subscriber, 403),
        (stream, &subscriber, 429),
        ("/api/livekit/participants?room=other", &operator, 503),
        ("/api/livekit/rooms/stream?room=other", &operator, 503),
    ];
    for (target, token, status) in cases {
        let from = if status == 429 { "127.0.0.1" } else { "198.51.100.2" };
        let headers =
            [("Origin", "https://a.example"), ("Authorization", token), ("X-Forwarded-For", from)];
        let refused = app.get(target, &headers).await;
        refused.problem(status);
        assert_eq!(refused.header("access-control-allow-origin"), "https://a.example", "{status}");
        let shown = refused.header("access-control-expose-headers");
        assert_eq!(shown, "etag,retry-after,x-cache,x-next-cursor,x-request-id", "{status}");
    }
}

#[tokio::test]
async fn too_many_reads_of_another_origins_page_are_told_so() {
    let app = TestApp::with(&[
        ("LKP__HTTP__CORS_ORIGINS", "https://a.example"),
        ("LKP__AUTH__MODE", "open"),
        ("LKP__LIMITS__READS_PER_ADDRESS", "1"),
    ])
    .await;
    let origin = ("Origin", "https://a.example");
    let mut last = app.get(LIST, &[origin]).await;
    for _ in 0..20 {
        last = app.get(LIST, &[origin]).await;
    }
    last.problem(429);
    assert_eq!(last.header("access-control-allow-origin"), "https://a.example");
    assert!(!last.header("retry-after").is_empty());
    // A preflight does not count.
    let preflight = [origin, ("Access-Control-Request-Method", "GET")];
    assert_eq!(app.ask("OPTIONS", LIST, &preflight).await.status, 200);
}

#[tokio::test]
async fn without_configuration_no_other_origin_reads() {
    let app = TestApp::start().await;
    let response = app.get("/healthz", &[("Origin", "https://any.example")]).await;
    assert_eq!(response.head.get("access-control-allow-origin"), None);
}

#[tokio::test]
async fn keys_of_clients_alone_open_lists_and_sign_no_webhooks() {
    let app =
        TestApp::with(&[("LKP__AUTH__KEYS", "APIreader: a-secret-that-livekit-does-not-know")])
            .await;
    let subscriber_keys =
        Keys::new(&ApiKey::parse_lines("APIreader: a-secret-that-livekit-does-not-know").unwrap());
    let now = app.clock.clock().now().as_secs();
    let token = AccessToken::sign("alice", joins("general"), now + 60, &subscriber_keys).unwrap();
    let bearer = format!("Bearer {token}");
    assert_eq!(app.get(LIST, &[("Authorization", &bearer)]).await.status, 200);
    let body = joined("alice").bytes();
    let signed = WebhookToken::sign(&body, &subscriber_keys, now).unwrap();
    let request = webhook_request("/api/livekit/webhook", &[("Authorization", &signed)], &body);
    let refused = app.send(&request).await;
    assert!(refused.problem(401).contains("not configured here"));
}
