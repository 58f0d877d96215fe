//! Clients that ask for big lists and do not read them.

use crate::harness::{Connection, TestApp, eventually, joined, started};

/// Starts the service with a room of some four megabytes that nobody streams.
async fn with_a_big_room(settings: &[(&str, &str)]) -> TestApp {
    let mut all = vec![("LKP__AUTH__MODE", "open"), ("LKP__LIMITS__READS_PER_ADDRESS", "0")];
    all.extend(settings);
    let app = TestApp::with(&all).await;
    let metadata = "x".repeat(40_000);
    app.webhooks((0..100).map(|n| joined(&format!("user-{n}")).metadata(&metadata))).await;
    app
}

async fn ask_and_not_read(app: &TestApp) -> Connection {
    ask_for_and_not_read(app, "/api/livekit/participants?room=general").await
}

async fn ask_for_and_not_read(app: &TestApp, target: &str) -> Connection {
    let mut connection = Connection::with_receive_buffer(app.address, Some(4096)).await;
    connection.request("GET", target, &[]).await;
    connection
}

async fn pinned(app: &TestApp) -> f64 {
    app.metric("pinned_bytes").await
}

// Once, new clients were refused while slow ones held all the memory. Now the slow ones give way.
#[tokio::test]
async fn slow_answers_hold_bounded_memory_and_the_slowest_gives_way() {
    let app = with_a_big_room(&[("LKP__STREAM__PINNED_BYTES", "10000000")]).await;
    let mut slowest = ask_and_not_read(&app).await;
    eventually("it to be held", async || pinned(&app).await > 3_000_000.0).await;
    // Whoever asks for the same list holds the same memory.
    let another_list = async |number: u32| {
        app.webhook(joined("bob").version(number + 3).metadata(&number.to_string())).await;
    };
    another_list(1).await;
    let _other = ask_and_not_read(&app).await;
    eventually("the other to be held", async || pinned(&app).await > 7_000_000.0).await;
    another_list(2).await;
    let list = || app.get("/api/livekit/participants?room=general", &[]);
    // In its first second no client counts as slow, and new ones are told to ask again.
    eventually("the next to be answered", async || list().await.status == 200).await;
    assert!(pinned(&app).await <= 10_000_000.0);
    assert_eq!(app.metric("slow_clients_cut_off_total").await, 1.0);
    let begun = slowest.rest().await;
    assert!(begun.len() < 4_000_000, "the slowest got {} bytes", begun.len());
}

#[tokio::test]
async fn slow_answers_from_a_hot_room_give_way_too() {
    let app = with_a_big_room(&[
        ("LKP__STREAM__PINNED_BYTES", "10000000"),
        ("LKP__STREAM__COALESCE", "0ms"),
    ])
    .await;
    let mut subscriber = app.subscriber("general").await;
    subscriber.next().await.unwrap();
    // Each holds another list.
    let mut unread = Vec::new();
    for (number, counted) in [(0, 3_000_000.0), (1, 7_000_000.0)] {
        unread.push(ask_and_not_read(&app).await);
        eventually("it to be counted", async || pinned(&app).await > counted).await;
        app.webhook(joined("bob").version(number + 3).metadata(&number.to_string())).await;
        subscriber.next().await.unwrap();
    }
    assert!(pinned(&app).await <= 10_000_000.0);
    eventually("the next to be answered", async || {
        app.get("/api/livekit/participants?room=general", &[]).await.status == 200
    })
    .await;
    assert!(pinned(&app).await <= 10_000_000.0);
}

#[tokio::test]
async fn slow_answers_with_the_list_of_rooms_are_cut_off() {
    let app = TestApp::with(&[
        ("LKP__AUTH__MODE", "open"),
        ("LKP__LIMITS__READS_PER_ADDRESS", "0"),
        ("LKP__STREAM__WRITE_TIMEOUT", "2s"),
    ])
    .await;
    let name = |number: usize| format!("{number:0>500}");
    app.webhooks((0..1_000).map(|number| started().room(&name(number)))).await;
    let unread = ask_for_and_not_read(&app, "/api/livekit/rooms").await;
    eventually("it to be counted", async || pinned(&app).await > 500_000.0).await;
    eventually("it to be cut off", async || pinned(&app).await == 0.0).await;
    drop(unread);
}

#[tokio::test]
async fn slow_answers_are_cut_off_in_the_end() {
    let app = with_a_big_room(&[("LKP__STREAM__WRITE_TIMEOUT", "2s")]).await;
    let mut unread = ask_and_not_read(&app).await;
    eventually("it to be held", async || pinned(&app).await > 3_000_000.0).await;
    eventually("it to be cut off", async || pinned(&app).await == 0.0).await;
    assert!(unread.rest().await.len() < 4_000_000);
}
