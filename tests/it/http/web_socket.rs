//! `GET /api/livekit/participants/ws`: a room over a WebSocket.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::harness::{
    Connection, Received, TestApp, WebSocket, eventually, identities, joined, left, masked,
    upgrade_headers,
};

const GENERAL: &str = "/api/livekit/participants/ws?room=general";

#[tokio::test]
async fn the_handshake_is_answered_as_rfc_6455_says_and_no_extension_is_taken() {
    let app = TestApp::start().await;
    let bearer = format!("Bearer {}", app.list_token());
    let extension = ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits");
    let headers = [("Authorization", bearer.as_str()), extension];
    let mut socket = WebSocket::open(app.address, GENERAL, &headers).await;
    assert_eq!(socket.head.status_line, "HTTP/1.1 101 Switching Protocols");
    assert_eq!(socket.head.get("upgrade"), Some("websocket"));
    assert_eq!(socket.head.get("connection"), Some("Upgrade"));
    let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    assert_eq!(socket.head.get("sec-websocket-accept"), Some(accept), "as in RFC 6455, 1.3");
    for absent in ["sec-websocket-extensions", "content-length", "transfer-encoding"] {
        assert_eq!(socket.head.get(absent), None, "{absent}");
    }
    assert_eq!(socket.next().await["event"], "participants:update");
}

#[tokio::test]
async fn each_message_is_what_the_event_stream_carries() {
    let app = TestApp::start().await;
    app.webhook(joined("alice").metadata("line one\nline two \u{2028} \"quoted\"")).await;
    let mut stream = app.subscriber("general").await;
    let mut socket = app.web_socket(GENERAL).await;
    for number in 0..3 {
        let event = stream.next().await.unwrap();
        let message = socket.next().await;
        let expected = json!({ "event": event.name, "id": event.id, "data": event.json() });
        assert_eq!(message, expected);
        app.webhook(joined(&format!("guest-{number}"))).await;
    }
    assert_eq!(app.metric("web_sockets_open").await, 1.0);
    assert_eq!(app.metric("streams_open").await, 2.0);
}

#[tokio::test]
async fn a_list_of_any_size_is_one_message() {
    let app = TestApp::start().await;
    let sizes = [0, 1, 100, 60_000, 70_000, 3_000_000];
    let mut socket = app.web_socket(GENERAL).await;
    assert_eq!(socket.next().await["data"], json!([]));
    for size in sizes {
        app.webhook(joined("alice").sid(&format!("PA_{size}")).metadata(&"é".repeat(size / 2)))
            .await;
        let list = socket.next().await["data"].take();
        assert_eq!(list[0]["metadata"].as_str().unwrap().len(), size / 2 * 2);
    }
}

#[tokio::test]
async fn a_client_that_has_the_list_is_not_sent_it_again() {
    let app = TestApp::start().await;
    app.webhook(joined("alice")).await;
    let mut socket = app.web_socket(GENERAL).await;
    let id = socket.next().await["id"].as_str().unwrap().to_owned();
    let mut again = app.web_socket(&format!("{GENERAL}&last_event_id={id}")).await;
    assert_eq!(again.next_of_any_kind().await["event"], "heartbeat", "it has everything");
    app.webhook(left("alice")).await;
    assert_eq!(again.next().await["data"], json!([]));
}

#[tokio::test]
async fn a_heartbeat_is_a_message() {
    let app = TestApp::with(&[("LKP__STREAM__HEARTBEAT", "1s")]).await;
    let mut socket = app.web_socket(GENERAL).await;
    assert_eq!(socket.next_of_any_kind().await["event"], "participants:update");
    let heartbeat = socket.next_of_any_kind().await;
    assert_eq!(
        (&heartbeat["event"], &heartbeat["data"]["every"]),
        (&json!("heartbeat"), &json!(1000))
    );
    assert!(heartbeat["data"]["t"].is_u64() && heartbeat.get("id").is_none());
}

#[tokio::test]
async fn frames_that_come_together_with_the_request_are_read() {
    let app = TestApp::start().await;
    let bearer = format!("Bearer {}", app.list_token());
    let headers = [upgrade_headers().as_slice(), &[("Authorization", &bearer)]].concat();
    for room in ["general", &"x".repeat(500)] {
        let target = format!("/api/livekit/participants/ws?room={room}");
        let mut request = crate::harness::request_head("GET", &target, &headers);
        request.extend(masked(0x89, b"early"));
        // The rest of this frame comes later.
        let message = masked(0x89, b"late");
        request.extend(&message[..3]);
        let mut connection = Connection::open(app.address).await;
        connection.send(&request).await;
        let mut socket = WebSocket::accepted(connection).await;
        assert_eq!(socket.next().await["event"], "participants:update");
        assert_eq!(socket.receive().await, Received::Pong(b"early".to_vec()));
        socket.connection.send(&message[3..]).await;
        assert_eq!(socket.receive().await, Received::Pong(b"late".to_vec()));
    }
}

#[tokio::test]
async fn a_client_that_closes_is_answered_with_its_own_code() {
    let app = TestApp::start().await;
    for (payload, code) in
        [(&[][..], None), (&[0x03, 0xe8, b'b'], Some(1000)), (&[0x13, 0x88 - 1], Some(4999))]
    {
        let mut socket = app.web_socket(GENERAL).await;
        socket.next().await;
        socket.send_frame(0x88, payload).await;
        assert_eq!(socket.receive().await, Received::Close(code, String::new()));
        assert_eq!(socket.receive().await, Received::End);
    }
    eventually("they to be counted", async || {
        app.metric("streams_closed_total{reason=\"client\"}").await == 3.0
    })
    .await;
    assert_eq!(app.metric("web_sockets_open").await, 0.0);
}

/// Its close may arrive together with the end of the connection.
#[tokio::test]
async fn a_client_that_closes_and_goes_at_once_is_answered_all_the_same() {
    let app =
        TestApp::with(&[("LKP__AUTH__MODE", "open"), ("LKP__LIMITS__READS_PER_ADDRESS", "0")])
            .await;
    for _ in 0..30 {
        let mut socket = WebSocket::open(app.address, GENERAL, &[]).await;
        socket.next().await;
        socket.send_frame(0x88, &[0x03, 0xe8]).await;
        socket.connection.socket.shutdown().await.unwrap();
        assert_eq!(socket.receive().await, Received::Close(Some(1000), String::new()));
        assert_eq!(socket.receive().await, Received::End);
    }
    eventually("they to be gone", async || app.metric("web_sockets_open").await == 0.0).await;
}

/// A client that others wrote, and that checks what it gets.
#[tokio::test]
async fn a_common_client_reads_it() {
    let app = TestApp::start().await;
    app.webhook(joined("alice")).await;
    let url = format!("ws://{}{GENERAL}&access_token={}", app.address, app.list_token());
    let read = tokio::task::spawn_blocking(move || {
        let (mut socket, _) = tungstenite::connect(url).unwrap();
        let list: Value = serde_json::from_str(socket.read().unwrap().to_text().unwrap()).unwrap();
        socket.send(tungstenite::Message::Ping(vec![7].into())).unwrap();
        assert_eq!(socket.read().unwrap(), tungstenite::Message::Pong(vec![7].into()));
        socket.close(None).unwrap();
        while socket.read().is_ok() {}
        list
    });
    assert_eq!(identities(&read.await.unwrap()["data"]), ["alice"]);
}
