//! WebSockets are served as streams are: by workers, with the newest of everything for the slow, and with little memory.

use std::time::Duration;

use serde_json::json;

use crate::harness::{
    Connection, Process, Received, TestApp, WebSocket, eventually, identities, joined,
    request_head, started, upgrade_headers,
};

const GENERAL: &str = "/api/livekit/participants/ws?room=general";
const ROOMS: &str = "/api/livekit/rooms/ws";

/// A WebSocket whose receive buffer is a few kibibytes.
async fn slow(app: &TestApp, target: &str) -> WebSocket {
    let connection = Connection::with_receive_buffer(app.address, Some(4096)).await;
    let bearer = format!("Bearer {}", app.list_token());
    WebSocket::over(connection, target, &[("Authorization", &bearer)]).await
}

async fn is_full(app: &TestApp) {
    eventually("its socket to be full", async || app.metric("slow_subscribers_total").await >= 1.0)
        .await;
}

#[tokio::test]
async fn a_slow_client_gets_the_newest_list_and_the_others_never_wait() {
    let app = TestApp::with(&[("LKP__STREAM__COALESCE", "0ms")]).await;
    app.webhooks([started(), joined("large").metadata(&"x".repeat(400_000))]).await;
    let mut slow = slow(&app, GENERAL).await;
    let mut quick = app.web_socket(GENERAL).await;
    quick.next().await;
    is_full(&app).await;
    for number in 0..30 {
        app.webhook(joined("bob").version(number + 3).metadata(&number.to_string())).await;
        assert_eq!(quick.next().await["data"][1]["metadata"], number.to_string());
    }
    assert_eq!(
        slow.next().await["data"].as_array().unwrap().len(),
        1,
        "what was begun is finished"
    );
    assert_eq!(slow.next().await["data"][1]["metadata"], "29", "then the newest, not the backlog");
}

#[tokio::test]
async fn answers_and_pongs_wait_for_a_full_socket_and_none_is_lost() {
    let app = TestApp::with(&[("LKP__STREAM__COALESCE", "0ms")]).await;
    app.webhooks([started(), joined("large").metadata(&"x".repeat(400_000))]).await;
    let mut slow = slow(&app, &format!("{ROOMS}?room=general")).await;
    is_full(&app).await;
    for number in 0..20_u8 {
        slow.send_frame(0x89, &[number]).await;
    }
    slow.send(r#"{"watch":["a"]}"#).await;
    slow.send(r#"{"watch":["b"]}"#).await;
    slow.send(r#"{"unwatch":["general"]}"#).await;
    // These are the next frames of a client that has read nothing yet.
    app.webhook(joined("bob").room("b")).await;
    let list = slow.next().await;
    assert_eq!(list["data"]["room"], "general");
    let (mut answers, mut pongs, mut rooms) = (Vec::new(), Vec::new(), Vec::new());
    while answers.len() < 3 || rooms.len() < 2 || pongs.is_empty() {
        match slow.receive().await {
            Received::Pong(payload) => pongs.push(payload[0]),
            Received::Text(text) => {
                let message: serde_json::Value = serde_json::from_str(&text).unwrap();
                if message["event"] == "watching" {
                    answers.push(message["rooms"].clone());
                } else {
                    rooms.push(message["data"]["room"].as_str().unwrap().to_owned());
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(answers, [json!(["general", "a"]), json!(["general", "a", "b"]), json!(["a", "b"])]);
    assert_eq!(pongs.last(), Some(&19), "the newest ping is answered: {pongs:?}");
    assert_eq!(rooms, ["a", "b"]);
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_closed_after_the_write_timeout() {
    let app = TestApp::with(&[("LKP__STREAM__WRITE_TIMEOUT", "300ms")]).await;
    app.webhook(joined("large").metadata(&"x".repeat(3_000_000))).await;
    let mut slow = slow(&app, GENERAL).await;
    eventually("it to be closed", async || {
        app.metric("streams_closed_total{reason=\"write_timeout\"}").await == 1.0
    })
    .await;
    while slow.connection.more().await.is_some() {}
    assert_eq!(app.metric("pinned_bytes").await, 0.0);
}

#[tokio::test]
async fn a_drain_closes_each_with_1001() {
    let mut app =
        TestApp::with(&[("LKP__SHUTDOWN__DRAIN", "500ms"), ("LKP__AUTH__MODE", "open")]).await;
    let mut sockets = Vec::new();
    for number in 0..20 {
        let target = if number % 2 == 0 { GENERAL } else { ROOMS };
        let mut socket = WebSocket::open(app.address, target, &[]).await;
        socket.next_of_any_kind().await;
        sockets.push(socket);
    }
    let mut late = app.connect().await;
    let request = request_head("GET", GENERAL, &upgrade_headers());
    late.send(&request[..request.len() - 1]).await;
    // Once the service has answered another request, it has received that.
    assert_eq!(app.get("/healthz", &[]).await.status, 200);
    app.tell_to_end();
    let ends = sockets.iter_mut().map(async |socket| socket.closed().await);
    for end in futures_util::future::join_all(ends).await {
        assert_eq!(end, (1001, "drain".to_owned()));
    }
    late.send(&request[request.len() - 1..]).await;
    let mut late = WebSocket::accepted(late).await;
    assert_eq!(late.closed().await, (1001, "drain".to_owned()), "nothing is opened any more");
    app.ended().await;
}

#[tokio::test]
async fn the_greatest_age_closes_with_1001() {
    let app = TestApp::with(&[("LKP__STREAM__MAX_AGE", "1s"), ("LKP__AUTH__MODE", "open")]).await;
    let mut socket = WebSocket::open(app.address, GENERAL, &[]).await;
    assert_eq!(socket.closed().await, (1001, "max_age".to_owned()));
}

#[tokio::test]
async fn hundreds_of_connections_on_all_workers_see_the_changes_of_the_rooms_that_they_chose() {
    let app = Process::start(&[("LKP__STREAM__COALESCE", "0ms")]).await;
    let mut sockets = Vec::new();
    for _ in 0..300 {
        let mut socket = WebSocket::open(app.address, ROOMS, &[]).await;
        socket.send(r#"{"watch":["a"]}"#).await;
        socket.send(r#"{"watch":["b"]}"#).await;
        socket.send(r#"{"unwatch":["a"]}"#).await;
        sockets.push(socket);
    }
    for socket in &mut sockets {
        for rooms in [json!(["a"]), json!(["a", "b"]), json!(["b"])] {
            loop {
                let message = socket.next().await;
                if message["event"] == "watching" {
                    assert_eq!(message["rooms"], rooms);
                    break;
                }
            }
        }
    }
    app.webhooks([joined("alice").room("a"), joined("bob").room("b")]).await;
    for socket in &mut sockets {
        let message = socket.next().await;
        assert_eq!(message["data"]["room"], "b");
        assert_eq!(identities(&message["data"]["joined"]), ["bob"]);
    }
}

/// Prints what an idle connection takes, beside what one of an event stream does.
#[tokio::test]
async fn an_idle_connection_takes_little_memory() {
    const COUNT: usize = 2_000;
    // What is freed would go back to the system a second later.
    let app = Process::start(&[("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0")]).await;
    app.webhooks([started(), joined("alice")]).await;
    let warm_up = open_many(&app, 200).await;
    drop(warm_up);
    tokio::time::timeout(Duration::from_secs(20), async {
        while !app.get("/metrics").await.text().contains("streams_open 0\n") {}
    })
    .await
    .unwrap();
    let before = app.resident_kib();
    let sockets = open_many(&app, COUNT).await;
    let after = app.resident_kib();
    let bytes = (after.saturating_sub(before)) * 1024 / COUNT;
    println!("{COUNT} idle WebSockets: {before} KiB, then {after} KiB, {bytes} bytes each");
    // Measured by itself it is 600 to 800, with what else the process did meanwhile in it. The bound is no promise: it finds a
    // connection that holds a buffer while it is idle.
    assert!(bytes < 900, "{bytes} bytes each");
    drop(sockets);
}

async fn open_many(app: &Process, count: usize) -> Vec<WebSocket> {
    let mut sockets = Vec::new();
    for _ in 0..count / 50 {
        let opening = (0..50).map(async |_| {
            let mut socket = WebSocket::open(app.address, GENERAL, &[]).await;
            assert_eq!(identities(&socket.next().await["data"]), ["alice"]);
            socket
        });
        sockets.extend(futures_util::future::join_all(opening).await);
    }
    sockets
}
