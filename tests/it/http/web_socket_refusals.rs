//! Handshakes that are no handshakes, and WebSockets that are closed at once with the reason.

use crate::harness::{
    Connection, Received, StoreFault, TestApp, WebSocket, eventually, joined, upgrade_headers,
};

const GENERAL: &str = "/api/livekit/participants/ws?room=general";

#[tokio::test]
async fn what_is_no_handshake_is_told_what_is_missing() {
    let app = TestApp::with(&[("LKP__AUTH__MODE", "open")]).await;
    let without = |name: &str| -> Vec<_> {
        upgrade_headers().into_iter().filter(|(header, _)| *header != name).collect()
    };
    let with = |name: &'static str, value: &'static str| {
        let mut headers = without(name);
        headers.push((name, value));
        headers
    };
    let cases = [
        (vec![], 426, "open it as one"),
        (without("Upgrade"), 426, "open it as one"),
        (without("Connection"), 426, "open it as one"),
        (with("Upgrade", "h2c"), 426, "open it as one"),
        (without("Sec-WebSocket-Version"), 426, "must be 13"),
        (with("Sec-WebSocket-Version", "8"), 426, "must be 13"),
        (without("Sec-WebSocket-Key"), 400, "`Sec-WebSocket-Key`"),
        (with("Sec-WebSocket-Key", "short"), 400, "`Sec-WebSocket-Key`"),
    ];
    for route in [GENERAL, "/api/livekit/rooms/ws"] {
        for (headers, status, words) in &cases {
            let answer = app.get(route, headers).await;
            assert!(answer.problem(*status).contains(words), "{headers:?}: {}", answer.text());
            let version = answer.head.get("sec-websocket-version");
            assert_eq!(version, (*status == 426).then_some("13"), "{headers:?}");
        }
    }
    let posted = app.ask("POST", GENERAL, &upgrade_headers()).await;
    posted.problem(405);
}

/// Opens a WebSocket that is closed at once.
async fn closed_at_once(app: &TestApp, target: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let mut socket = WebSocket::open(app.address, target, headers).await;
    socket.closed().await
}

#[tokio::test]
async fn a_wrong_request_is_closed_with_the_code_of_its_status() {
    let app = TestApp::start().await;
    let own = format!("Bearer {}", app.token("general", 600));
    let expired = format!("Bearer {}", app.token("general", -600));
    let cases = [
        ("/api/livekit/participants/ws", &own, 4400, "name a room"),
        ("/api/livekit/participants/ws?room=a&room=b", &own, 4400, "exactly one room"),
        ("/api/livekit/participants/ws?room=other", &own, 4403, "does not open this room"),
        ("/api/livekit/rooms/ws?room=general&room=other", &own, 4403, "does not open this room"),
        (GENERAL, &expired, 4401, "expired"),
        (GENERAL, &"Bearer x.y.z".to_owned(), 4401, "HS256"),
    ];
    for (target, bearer, code, words) in cases {
        let (given, reason) = closed_at_once(&app, target, &[("Authorization", bearer)]).await;
        assert_eq!(given, code, "{target}: {reason}");
        assert!(reason.contains(words) && reason.len() <= 123, "{target}: {reason}");
    }
    let rooms: Vec<_> = (0..101).map(|number| format!("room={number}")).collect();
    let target = format!("/api/livekit/rooms/ws?{}", rooms.join("&"));
    let (code, reason) = closed_at_once(&app, &target, &[("Authorization", &own)]).await;
    assert!(code == 4400 && reason.contains("at most 100 rooms"), "{reason}");
    assert_eq!(app.metric("streams_opened_total").await, 0.0);
}

#[tokio::test]
async fn an_address_has_as_many_web_sockets_as_streams() {
    let settings = [("LKP__AUTH__MODE", "open"), ("LKP__LIMITS__STREAMS_PER_ADDRESS", "1")];
    let app = TestApp::with(&settings).await;
    let mut first = WebSocket::open(app.address, GENERAL, &[]).await;
    first.next().await;
    let (code, reason) = closed_at_once(&app, GENERAL, &[]).await;
    assert!(code == 4429 && reason.contains("too many streams"), "{code} {reason}");
    first.send_frame(0x88, &[]).await;
    eventually("its place to be free", async || {
        let mut socket = WebSocket::open(app.address, GENERAL, &[]).await;
        matches!(socket.receive().await, Received::Text(_))
    })
    .await;
}

#[tokio::test]
async fn an_instance_with_as_many_streams_as_it_takes_says_so() {
    let settings = [("LKP__AUTH__MODE", "open"), ("LKP__LIMITS__STREAMS", "1")];
    let app = TestApp::with(&settings).await;
    let mut first = WebSocket::open(app.address, GENERAL, &[]).await;
    first.next().await;
    let (code, reason) = closed_at_once(&app, GENERAL, &[]).await;
    assert!(code == 4503 && reason.contains("as many streams"), "{code} {reason}");
}

#[tokio::test]
async fn reads_are_counted() {
    let settings = [("LKP__AUTH__MODE", "open"), ("LKP__LIMITS__READS_PER_ADDRESS", "1")];
    let app = TestApp::with(&settings).await;
    let rooms: Vec<_> = (0..10).map(|number| format!("room={number}")).collect();
    let target = format!("/api/livekit/rooms/ws?{}", rooms.join("&"));
    let mut socket = WebSocket::open(app.address, &target, &[]).await;
    assert_eq!(socket.next().await["event"], "room:snapshot");
    let (code, reason) = closed_at_once(&app, &target, &[]).await;
    assert!(code == 4429 && reason.contains("too many requests"), "{code} {reason}");
}

#[tokio::test]
async fn a_web_socket_of_one_room_costs_one_read() {
    let settings = [("LKP__AUTH__MODE", "open"), ("LKP__LIMITS__READS_PER_ADDRESS", "1")];
    let app = TestApp::with(&settings).await;
    // As many reads as may come at once.
    for _ in 0..10 {
        let mut socket = WebSocket::open(app.address, GENERAL, &[]).await;
        assert_eq!(socket.next().await["event"], "participants:update");
    }
    eventually("one too many to be refused", async || {
        let mut socket = WebSocket::open(app.address, GENERAL, &[]).await;
        matches!(socket.receive().await, Received::Close(Some(4429), _))
    })
    .await;
}

#[tokio::test]
async fn where_streams_are_turned_off_the_client_does_not_come_back() {
    let app =
        TestApp::with(&[("LKP__AUTH__MODE", "open"), ("LKP__STREAM__ENABLED", "false")]).await;
    let (code, reason) = closed_at_once(&app, GENERAL, &[]).await;
    assert!(code == 4403 && reason.contains("`stream.enabled`"), "{code} {reason}");
}

#[tokio::test]
async fn a_store_that_cannot_be_read_closes_with_4503() {
    let app = TestApp::with(&[("LKP__AUTH__MODE", "open")]).await;
    app.webhook(joined("alice")).await;
    app.store.set_fault(StoreFault::Fails);
    let (code, reason) = closed_at_once(&app, GENERAL, &[]).await;
    assert!(code == 4503 && reason.contains("ask again"), "{code} {reason}");
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused_unless_it_is_named() {
    let settings = [("LKP__HTTP__CORS_ORIGINS", "https://app.example.com")];
    let own = ("Origin", "https://presence.test");
    let named = ("Origin", "https://app.example.com");
    let foreign = ("Origin", "https://evil.example");
    let same_site = ("Sec-Fetch-Site", "same-origin");
    for mode in ["open", "livekit"] {
        let app = TestApp::with(&[settings[0], ("LKP__AUTH__MODE", mode)]).await;
        let target = format!("{GENERAL}&access_token={}", app.list_token());
        for headers in [vec![], vec![own], vec![named], vec![foreign, same_site]] {
            let mut socket = WebSocket::open(app.address, &target, &headers).await;
            assert_eq!(socket.next().await["event"], "participants:update", "{headers:?}");
        }
        let (code, reason) = closed_at_once(&app, &target, &[foreign]).await;
        assert!(code == 4403 && reason.contains("`http.cors_origins`"), "{code} {reason}");
    }
    let anybody = [("LKP__HTTP__CORS_ORIGINS", "*"), ("LKP__AUTH__MODE", "open")];
    let app = TestApp::with(&anybody).await;
    let mut socket = WebSocket::open(app.address, GENERAL, &[foreign]).await;
    socket.next().await;
}

#[tokio::test]
async fn a_cookie_opens_a_room_only_for_pages_that_may_use_it() {
    let settings =
        [("LKP__HTTP__CORS_ORIGINS", "https://app.example.com"), ("LKP__AUTH__COOKIE", "session")];
    let app = TestApp::with(&settings).await;
    let cookie = format!("session={}", app.token("general", 600));
    let cookie = ("Cookie", cookie.as_str());
    for origin in ["https://presence.test", "https://app.example.com"] {
        let mut socket = WebSocket::open(app.address, GENERAL, &[cookie, ("Origin", origin)]).await;
        socket.next().await;
    }
    let headers = [cookie, ("Origin", "https://evil.example")];
    assert_eq!(closed_at_once(&app, GENERAL, &headers).await.0, 4403);
}

#[tokio::test]
async fn a_refused_web_socket_frees_its_connection() {
    let app = TestApp::start().await;
    let mut connection = Connection::open(app.address).await;
    let headers = [upgrade_headers().as_slice(), &[("Authorization", "Bearer x")]].concat();
    connection.request("GET", GENERAL, &headers).await;
    let mut socket = WebSocket::accepted(connection).await;
    assert_eq!(socket.closed().await.0, 4401);
}
