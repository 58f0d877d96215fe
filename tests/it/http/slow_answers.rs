//! Clients that ask for big lists and do not read them.

use crate::harness::{Connection, TestApp, eventually, joined};

/// Some four megabytes, in a room that nobody streams.
async fn with_a_big_room(settings: &[(&str, &str)]) -> TestApp {
    let mut all = vec![("LKP__AUTH__MODE", "open"), ("LKP__LIMITS__READS_PER_ADDRESS", "0")];
    all.extend(settings);
    let app = TestApp::with(&all).await;
    let metadata = "x".repeat(40_000);
    app.webhooks((0..100).map(|n| joined(&format!("user-{n}")).metadata(&metadata))).await;
    app
}

async fn ask_and_not_read(app: &TestApp) -> Connection {
    let mut connection = Connection::with_receive_buffer(app.address, Some(4096)).await;
    connection.request("GET", "/api/livekit/participants?room=general", &[]).await;
    connection
}

#[tokio::test]
async fn they_hold_no_more_memory_than_they_may() {
    let app = with_a_big_room(&[("LKP__STREAM__PINNED_BYTES", "10000000")]).await;
    let _unread = [ask_and_not_read(&app).await, ask_and_not_read(&app).await];
    let list = || app.get("/api/livekit/participants?room=general", &[]);
    eventually("the next to be refused", async || list().await.status == 503).await;
    assert_eq!(list().await.header("retry-after"), "1");
    drop(_unread);
    eventually("it to be answered again", async || list().await.status == 200).await;
}

#[tokio::test]
async fn they_are_cut_off_in_the_end() {
    let app = with_a_big_room(&[
        ("LKP__STREAM__PINNED_BYTES", "5000000"),
        ("LKP__STREAM__WRITE_TIMEOUT", "300ms"),
    ])
    .await;
    let unread = ask_and_not_read(&app).await;
    eventually("it to be held", async || {
        app.get("/api/livekit/participants?room=general", &[]).await.status == 503
    })
    .await;
    eventually("it to be cut off", async || {
        app.get("/api/livekit/participants?room=general", &[]).await.status == 200
    })
    .await;
    drop(unread);
}
