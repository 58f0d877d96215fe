//! What a WebSocket can show beside lists, as streams can: only how many are inside, and the list of rooms.

use serde_json::json;

use crate::harness::{TestApp, WebSocket, joined, left, started};

const ROOM: &str = "/api/livekit/participants/ws?room=a";
const ROOMS: &str = "/api/livekit/rooms/ws";

async fn with_token(app: &TestApp, target: &str, token: &str) -> WebSocket {
    let bearer = format!("Bearer {token}");
    WebSocket::open(app.address, target, &[("Authorization", &bearer)]).await
}

#[tokio::test]
async fn with_view_count_only_the_numbers_are_sent() {
    let app = TestApp::start().await;
    let mut one = app.web_socket(&format!("{ROOM}&view=count")).await;
    let mut many = app.web_socket(&format!("{ROOMS}?view=count")).await;
    assert_eq!(many.next_of_any_kind().await["event"], "heartbeat", "it is open");
    many.send(r#"{"watch":["a"]}"#).await;
    assert_eq!(many.next().await["event"], "watching");
    assert_eq!(many.next().await["data"]["people"], 0);
    assert_eq!(one.next().await["data"]["people"], 0);
    app.webhook(joined("alice").room("a")).await;
    let (one, many) = (one.next().await, many.next().await);
    assert_eq!((&one["event"], &one["data"]["people"]), (&json!("count"), &json!(1)));
    assert_eq!((&many["event"], &many["data"]["people"]), (&json!("room:count"), &json!(1)));
    assert_eq!(many["data"]["room"], "a");
}

#[tokio::test]
async fn the_list_of_rooms_comes_beside_rooms_that_are_watched() {
    let app = TestApp::start().await;
    app.webhooks([started().room("a"), joined("alice").room("a"), joined("bob").room("b")]).await;
    let mut socket =
        with_token(&app, &format!("{ROOMS}?all=true&prefix=a"), &app.list_token()).await;
    let list = socket.next().await;
    assert_eq!(list["event"], "rooms:snapshot");
    assert_eq!(list["data"]["rooms"].as_array().unwrap().len(), 1, "{list}");
    socket.send(r#"{"watch":["b"]}"#).await;
    assert_eq!(socket.next().await, json!({"event": "watching", "rooms": ["b"]}));
    assert_eq!(socket.next().await["event"], "room:snapshot");
    app.webhook(left("alice").room("a")).await;
    let delta = socket.next().await;
    assert_eq!(delta["event"], "rooms:delta");
    assert_eq!(delta["data"]["changed"][0]["people"], 0, "{delta}");
    app.webhook(left("bob").room("b")).await;
    assert_eq!(socket.next().await["event"], "room:delta");
}

#[tokio::test]
async fn the_list_of_rooms_needs_a_token_that_may_list_also_when_it_is_renewed() {
    let app = TestApp::start().await;
    let mut refused = with_token(&app, &format!("{ROOMS}?all=true"), &app.token("a", 600)).await;
    assert_eq!(refused.closed().await.0, 4403);
    let mut late = WebSocket::open(app.address, &format!("{ROOMS}?all=true"), &[]).await;
    late.send(&json!({"token": app.token("a", 600)}).to_string()).await;
    assert_eq!(late.closed().await.0, 4403);
    let mut late = WebSocket::open(app.address, &format!("{ROOMS}?all=true"), &[]).await;
    late.send(&json!({"token": app.list_token()}).to_string()).await;
    assert_eq!(late.next().await["event"], "watching");
    assert_eq!(late.next().await["event"], "rooms:snapshot");
}

#[tokio::test]
async fn what_cannot_be_shown_is_closed_with_the_reason() {
    let app = TestApp::start().await;
    for (target, reason) in [
        (format!("{ROOM}&view=people"), "`view`"),
        (format!("{ROOMS}?view=people"), "`view`"),
        (format!("{ROOMS}?all=yes"), "`all`"),
        (format!("{ROOMS}?all=true&room=a"), "`all=true`"),
        (format!("{ROOMS}?prefix=a"), "`prefix`"),
    ] {
        let (code, text) = app.web_socket(&target).await.closed().await;
        assert!(code == 4400 && text.contains(reason), "{target}: {code} {text}");
    }
}
