//! Tokens that come by message: the first, where the address has none, and later ones that keep a connection open.

use std::time::Duration;

use livekit_presence::{livekit::VideoGrant, presence::HostTime};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use crate::harness::{Received, StoreFault, TestApp, WebSocket, eventually, identities, joined};

const GENERAL: &str = "/api/livekit/participants/ws?room=general";
const ROOMS: &str = "/api/livekit/rooms/ws?room=general&room=music";

fn token_message(token: &str) -> String {
    json!({ "token": token }).to_string()
}

async fn open(app: &TestApp, target: &str) -> WebSocket {
    WebSocket::open(app.address, target, &[]).await
}

#[tokio::test]
async fn a_client_that_shows_its_token_as_first_message_is_sent_the_room() {
    let app = TestApp::start().await;
    app.webhook(joined("alice")).await;
    let mut socket = open(&app, GENERAL).await;
    assert_eq!(socket.next_of_any_kind().await["event"], "heartbeat", "and nothing of the room");
    socket.send(&token_message(&app.token("general", 600))).await;
    assert_eq!(socket.next().await, json!({"event": "watching", "rooms": ["general"]}));
    let list = socket.next().await;
    assert_eq!(identities(&list["data"]), ["alice"]);
    app.webhook(joined("bob")).await;
    assert_eq!(identities(&socket.next().await["data"]), ["alice", "bob"]);

    let has = list["id"].as_str().unwrap();
    let mut again = open(&app, &format!("{GENERAL}&last_event_id={has}")).await;
    again.send(&token_message(&app.token("general", 600))).await;
    assert_eq!(again.next().await["event"], "watching");
    assert_eq!(identities(&again.next().await["data"]), ["alice", "bob"]);

    let mut many = open(&app, ROOMS).await;
    many.send(&token_message(&app.list_token())).await;
    assert_eq!(many.next().await["rooms"], json!(["general", "music"]));
    assert_eq!(many.next().await["data"]["room"], "general");
    assert_eq!(many.next().await["data"]["room"], "music");
}

#[tokio::test]
async fn nothing_is_sent_of_a_room_before_a_token_has_come() {
    let app = TestApp::start().await;
    let mut socket = open(&app, ROOMS).await;
    for message in [r#"{"watch":["general"]}"#, r#"{"unwatch":["general"]}"#] {
        socket.send(message).await;
        let answer = socket.next().await;
        assert_eq!((&answer["event"], &answer["data"]["status"]), (&json!("error"), &json!(401)));
        assert!(answer["data"]["detail"].as_str().unwrap().contains("send a token first"));
    }
    app.webhook(joined("alice")).await;
    socket.send(&token_message(&app.list_token())).await;
    assert_eq!(socket.next().await["event"], "watching");
    assert_eq!(identities(&socket.next().await["data"]["participants"]), ["alice"]);
}

#[tokio::test]
async fn a_first_token_that_opens_nothing_closes_the_connection() {
    let app = TestApp::start().await;
    let cases = [
        (app.token("other", 600), 4403, "does not open this room"),
        (app.token("general", -600), 4401, "expired"),
        ("nonsense".to_owned(), 4401, "HS256"),
    ];
    for (token, code, words) in cases {
        let mut socket = open(&app, GENERAL).await;
        socket.send(&token_message(&token)).await;
        let (given, reason) = socket.closed().await;
        assert!(given == code && reason.contains(words), "{given} {reason}");
    }
    eventually("they to be counted", async || {
        app.metric("streams_closed_total{reason=\"refused\"}").await == 3.0
    })
    .await;
}

#[tokio::test]
async fn a_client_without_a_token_has_five_seconds() {
    let app = TestApp::start().await;
    let opened = Instant::now();
    let mut socket = open(&app, GENERAL).await;
    assert_eq!(socket.closed().await, (4401, "no_token".to_owned()));
    let took = opened.elapsed();
    assert!((4_900..8_000).contains(&took.as_millis()), "{took:?}");
}

/// Its answer may take longer than what is left of the five seconds.
#[tokio::test]
async fn a_first_token_that_comes_in_time_is_answered_however_late_that_is() {
    let app = TestApp::start().await;
    app.webhook(joined("alice")).await;
    let opened = Instant::now();
    let mut socket = open(&app, GENERAL).await;
    app.store.set_fault(StoreFault::Hangs);
    sleep_until(opened + Duration::from_secs(4)).await;
    socket.send(&token_message(&app.token("general", 600))).await;
    sleep_until(opened + Duration::from_secs(6)).await;
    app.store.set_fault(StoreFault::None);
    assert_eq!(socket.next().await["event"], "watching");
    assert_eq!(identities(&socket.next().await["data"]), ["alice"]);
}

#[tokio::test]
async fn a_message_that_is_no_token_does_not_put_the_end_off() {
    let app = TestApp::start().await;
    let mut socket = open(&app, GENERAL).await;
    socket.send(r#"{"watch":["general"]}"#).await;
    assert_eq!(socket.next().await["event"], "error");
    assert_eq!(socket.closed().await, (4401, "no_token".to_owned()));
}

#[tokio::test]
async fn a_token_by_message_works_behind_a_proxy_that_asked_for_a_password() {
    let app = TestApp::start().await;
    let basic = ("Authorization", "Basic dXNlcjpwYXNzd29yZA==");
    let mut socket = WebSocket::open(app.address, GENERAL, &[basic]).await;
    socket.send(&token_message(&app.token("general", 600))).await;
    assert_eq!(socket.next().await["event"], "watching");
}

#[tokio::test]
async fn clients_without_a_token_cannot_take_every_stream() {
    let app = TestApp::with(&[("LKP__LIMITS__STREAMS", "4")]).await;
    let mut first = open(&app, GENERAL).await;
    assert_eq!(first.next_of_any_kind().await["event"], "heartbeat");
    let (code, reason) = open(&app, GENERAL).await.closed().await;
    assert!(code == 4503 && reason.contains("wait for their token"), "{code} {reason}");
    app.web_socket(GENERAL).await.next().await;
    first.send(&token_message(&app.token("general", 600))).await;
    assert_eq!(first.next().await["event"], "watching");
    let mut second = open(&app, GENERAL).await;
    assert_eq!(second.next_of_any_kind().await["event"], "heartbeat", "there is room again");
    drop(second);
    eventually("its place to be free", async || {
        matches!(open(&app, GENERAL).await.receive().await, Received::Text(_))
    })
    .await;
}

#[tokio::test]
async fn a_token_that_is_not_renewed_ends_its_connection() {
    let app = TestApp::start().await;
    let target = format!("{GENERAL}&access_token={}", app.token("general", 2));
    let mut socket = open(&app, &target).await;
    assert_eq!(socket.closed().await, (4401, "expired".to_owned()));
}

#[tokio::test]
async fn a_newer_token_keeps_the_connection_open() {
    let app = TestApp::start().await;
    let target = format!("{GENERAL}&access_token={}", app.token("general", 2));
    let opened = Instant::now();
    let mut socket = open(&app, &target).await;
    socket.next().await;
    socket.send(&token_message(&app.token("general", 4))).await;
    assert_eq!(socket.next().await, json!({"event": "watching", "rooms": ["general"]}));
    assert_eq!(socket.closed().await, (4401, "expired".to_owned()));
    let took = opened.elapsed();
    assert!(took > Duration::from_secs(3), "the first has expired long ago: {took:?}");
}

#[tokio::test]
async fn a_token_that_cannot_replace_the_first_is_refused_and_changes_nothing() {
    let app = TestApp::start().await;
    let bearer = format!("Bearer {}", app.token_with(list(), "alice", 600));
    let mut socket = WebSocket::open(app.address, ROOMS, &[("Authorization", &bearer)]).await;
    for _ in 0..2 {
        assert_eq!(socket.next().await["event"], "room:snapshot");
    }
    let cases = [
        (app.token_with(list(), "bob", 600), 403, "another identity"),
        (app.token("general", 600), 403, "does not open the room music"),
        (app.token_with(list(), "alice", -600), 401, "expired"),
    ];
    for (token, status, words) in cases {
        socket.send(&token_message(&token)).await;
        let answer = socket.next().await;
        assert_eq!(answer["data"]["status"], status, "{answer}");
        assert!(answer["data"]["detail"].as_str().unwrap().contains(words), "{answer}");
    }
    app.webhook(joined("carol").room("music")).await;
    assert_eq!(socket.next().await["data"]["room"], "music");

    socket.send(r#"{"unwatch":["music"]}"#).await;
    assert_eq!(socket.next().await["rooms"], json!(["general"]));
    socket.send(&token_message(&app.token("general", 600))).await;
    assert_eq!(socket.next().await["rooms"], json!(["general"]));
    socket.send(r#"{"watch":["music"]}"#).await;
    assert_eq!(socket.next().await["data"]["status"], 403, "the newest token counts");
}

fn list() -> VideoGrant {
    VideoGrant { room_list: true, ..VideoGrant::default() }
}

#[tokio::test]
async fn an_identity_that_is_known_by_message_has_as_many_streams_as_any_other() {
    let app = TestApp::with(&[("LKP__LIMITS__STREAMS_PER_IDENTITY", "2")]).await;
    let token = app.token("general", 600);
    let mut sockets = Vec::new();
    for number in 0..3 {
        let mut socket = open(&app, GENERAL).await;
        socket.send(&token_message(&token)).await;
        assert_eq!(socket.next().await["event"], "watching", "{number}");
        sockets.push(socket);
    }
    assert_eq!(sockets[0].closed().await, (4429, "replaced".to_owned()));
    app.webhook(joined("bob")).await;
    for socket in &mut sockets[1..] {
        while identities(&socket.next().await["data"]).is_empty() {}
    }
}

#[tokio::test]
async fn a_token_that_the_clock_has_overtaken_is_no_renewal() {
    let app = TestApp::start().await;
    let now = HostTime::from_millis(1_800_000_000_000);
    app.clock.set(now);
    let token = app.token("general", 600);
    let mut socket = open(&app, &format!("{GENERAL}&access_token={token}")).await;
    socket.next().await;
    app.clock.set(now + Duration::from_mins(20));
    socket.send(&token_message(&token)).await;
    assert_eq!(socket.next().await["data"]["status"], 401);
}
