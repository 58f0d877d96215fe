//! A client that does not read affects nobody else, and is right again as soon as it reads.

use std::time::{Duration, Instant};

use crate::harness::{
    Connection, Process, Subscriber, TestApp, WebhookBody, eventually, joined, started,
};

/// A join that fills any socket: receive buffers are a few kibibytes in these tests.
fn large(name: &str) -> WebhookBody {
    joined(name).metadata(&"x".repeat(400_000))
}

async fn slow_subscriber(app: &TestApp) -> Subscriber {
    slow_subscriber_of(app, "general").await
}

async fn slow_subscriber_of(app: &TestApp, room: &str) -> Subscriber {
    let mut connection = Connection::with_receive_buffer(app.address, Some(4096)).await;
    let bearer = format!("Bearer {}", app.list_token());
    let target = format!("/api/livekit/participants/stream?room={room}");
    connection.request("GET", &target, &[("Authorization", &bearer)]).await;
    Subscriber::of(connection).await
}

#[tokio::test]
async fn a_slow_subscriber_gets_the_newest_list_and_the_others_never_wait() {
    let app = TestApp::with(&[("LKP__STREAM__COALESCE", "0ms")]).await;
    app.webhooks([started(), large("large")]).await;
    let mut slow = slow_subscriber(&app).await;
    let mut quick = app.subscriber("general").await;
    quick.next_list().await;
    eventually("the slow subscriber's socket to be full", async || {
        app.metric("slow_subscribers_total").await >= 1.0
    })
    .await;
    for number in 0..50 {
        app.webhook(joined("bob").version(number + 3).metadata(&number.to_string())).await;
        let list = quick.next().await.unwrap().json();
        assert_eq!(
            list[1]["metadata"],
            number.to_string(),
            "the quick subscriber sees each change"
        );
    }
    let first = slow.next().await.unwrap();
    assert_eq!(first.json().as_array().unwrap().len(), 1, "what was begun is finished");
    let newest = slow.next().await.unwrap();
    assert_eq!(newest.json()[1]["metadata"], "49", "and then comes the newest, not the backlog");
    assert_eq!(newest.data, quick_list(&app).await);
}

async fn quick_list(app: &TestApp) -> String {
    app.participants("general").await.text().to_owned()
}

#[tokio::test]
async fn a_subscriber_that_sleeps_through_a_thousand_changes_costs_no_memory() {
    let app = Process::start(&[("LKP__STREAM__COALESCE", "0ms")]).await;
    app.webhooks([started(), large("large")]).await;
    let mut connection = Connection::with_receive_buffer(app.address, Some(4096)).await;
    connection.request("GET", "/api/livekit/participants/stream?room=general", &[]).await;
    let mut slow = Subscriber::of(connection).await;
    // First some changes, so that the process has allocated what one needs.
    app.webhooks((0..50).map(|number| joined("bob").version(number + 3))).await;
    let before = app.resident_kib();
    let changes =
        (50..1_050).map(|number| joined("bob").version(number + 3).metadata(&number.to_string()));
    app.webhooks(changes).await;
    let after = app.resident_kib();
    println!("resident before {before} KiB, after 1,000 lists of 400 KB unread: {after} KiB");
    assert!(after < before + 4_096, "{before} KiB, then {after} KiB");
    assert_eq!(slow.next().await.unwrap().json().as_array().unwrap().len(), 1);
    let newest = slow.next().await.unwrap().json();
    assert_eq!(newest[1]["metadata"], "1049");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_closed_after_the_write_timeout() {
    let app = TestApp::with(&[("LKP__STREAM__WRITE_TIMEOUT", "300ms")]).await;
    app.webhooks([started(), large("large")]).await;
    let _slow = slow_subscriber(&app).await;
    eventually("it to be closed", async || {
        app.metric("streams_closed_total{reason=\"write_timeout\"}").await == 1.0
    })
    .await;
}

#[tokio::test]
async fn a_client_that_trickles_is_closed_as_well() {
    let app = TestApp::with(&[("LKP__STREAM__WRITE_TIMEOUT", "1s")]).await;
    app.webhooks([started(), large("large"), large("larger"), large("largest")]).await;
    let mut slow = slow_subscriber(&app).await.connection;
    let begun = Instant::now();
    // It takes a few bytes every 20 ms, so that bytes move all the time and the frame is never finished.
    let mut closed = false;
    while !closed && begun.elapsed() < Duration::from_secs(15) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let mut few = [0; 512];
        let read = tokio::io::AsyncReadExt::read(&mut slow.socket, &mut few).await;
        assert!(!matches!(read, Ok(0)), "it is cut off, not ended");
        closed = app.metric("streams_closed_total{reason=\"write_timeout\"}").await == 1.0;
    }
    assert!(closed, "a trickle must not put off the write timeout");
}

#[tokio::test]
async fn when_slow_clients_keep_too_much_the_slowest_go() {
    let app = TestApp::with(&[
        ("LKP__STREAM__PINNED_BYTES", "1000000"),
        ("LKP__STREAM__COALESCE", "0ms"),
    ])
    .await;
    app.webhooks([started(), large("large")]).await;
    let mut slow = Vec::new();
    // Each holds another list, since it began at another version.
    for number in 0..4 {
        let subscriber = slow_subscriber(&app).await;
        subscriber.connection.socket.readable().await.unwrap();
        slow.push(subscriber);
        app.webhook(joined("bob").version(number + 3).metadata(&number.to_string())).await;
    }
    eventually("the slowest to be closed", async || {
        app.metric("streams_closed_total{reason=\"pinned_bytes\"}").await >= 2.0
    })
    .await;
    assert!(app.metric("pinned_bytes").await <= 1_000_000.0);
    let newest = slow.last_mut().unwrap().next().await.unwrap();
    assert_eq!(newest.json()[0]["identity"], "large", "who came last is still served");
}

#[tokio::test]
async fn the_slowest_goes_whichever_thread_has_it() {
    let app = TestApp::with(&[("LKP__STREAM__PINNED_BYTES", "700000")]).await;
    for room in ["first", "second"] {
        app.webhooks([started().room(room), large("large").room(room)]).await;
    }
    // There are two workers, so each serves one of the streams.
    let _first = slow_subscriber_of(&app, "first").await;
    eventually("the first to be slow", async || app.metric("pinned_bytes").await > 400_000.0).await;
    let mut second = slow_subscriber_of(&app, "second").await;
    eventually("the slowest to be closed", async || {
        app.metric("streams_closed_total{reason=\"pinned_bytes\"}").await == 1.0
    })
    .await;
    assert_eq!(second.next_list().await, ["large"], "who came last is still served");
    assert_eq!(app.metric("slow_clients_cut_off_total").await, 1.0);
}
