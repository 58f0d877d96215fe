//! The last event ids that clients send. A wrong one affects its own client alone.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{StoreFault, TestApp, eventually, joined, started};

const READS: &str = "store_calls_total{kind=\"read\",outcome=\"ok\"}";
const LOOKS: &str = "store_calls_total{kind=\"position\",outcome=\"ok\"}";
const ADVANCES: &str = "store_calls_total{kind=\"advance\",outcome=\"ok\"}";

/// A version that the store could have given just now, but did not: its time.
fn made_up(app: &TestApp) -> String {
    app.clock.clock().now().as_micros().to_string()
}

async fn with_streams() -> TestApp {
    TestApp::with(&[
        ("LKP__AUTH__MODE", "open"),
        ("LKP__LIMITS__STREAMS_PER_ADDRESS", "0"),
        ("LKP__LIMITS__READS_PER_ADDRESS", "0"),
    ])
    .await
}

#[tokio::test]
async fn nobody_makes_a_room_stale_or_has_it_read_by_a_made_up_last_event_id() {
    let app = with_streams().await;
    app.webhooks([started(), joined("alice")]).await;
    let mut honest = app.subscriber("general").await;
    let version = honest.next().await.unwrap().version();
    let (reads, looks) = (app.metric(READS).await, app.metric(LOOKS).await);
    let asked_at = Instant::now();
    join_all((0..150).map(async |_| {
        let mut subscriber =
            app.subscriber_with("general", &[("Last-Event-ID", &made_up(&app))]).await;
        let first = subscriber.next().await.unwrap();
        assert_eq!(first.json()[0]["identity"], "alice", "it is sent what there is");
        assert_eq!(first.version(), version);
    }))
    .await;
    let looks = app.metric(LOOKS).await - looks;
    assert_eq!(app.metric(READS).await, reads, "nothing is read");
    assert_eq!(app.metric(ADVANCES).await, 0.0, "no version is raised");
    let secs = asked_at.elapsed().as_secs_f64();
    assert!((1.0..=secs + 2.0).contains(&looks), "{looks} looks within {secs} s");
    let answer = app.participants("general").await;
    assert_eq!(answer.header("x-cache"), "hot");
    assert_eq!(answer.header("etag"), format!("\"{version}\""));
    assert_eq!(
        app.rooms_in_short().await,
        json!([{"name": "general", "numParticipants": 1, "exact": true}])
    );
}

#[tokio::test]
async fn a_client_that_was_sent_what_the_store_lost_is_sent_the_list_and_what_follows() {
    let app = with_streams().await;
    app.webhooks([started(), joined("alice")]).await;
    let mut subscriber = app.subscriber_with("general", &[("Last-Event-ID", &made_up(&app))]).await;
    assert_eq!(subscriber.next_list().await, ["alice"]);
    app.webhook(joined("bob")).await;
    assert_eq!(subscriber.next_list().await, ["alice", "bob"]);
}

#[tokio::test]
async fn while_the_store_cannot_be_looked_at_a_list_is_kept_and_afterwards_replaced() {
    let app = with_streams().await;
    app.webhooks([started(), joined("alice")]).await;
    let mut honest = app.subscriber("general").await;
    honest.next_list().await;
    app.store.set_fault(StoreFault::Fails);
    let mut subscriber = app.subscriber_with("general", &[("Last-Event-ID", &made_up(&app))]).await;
    let first = subscriber.next_of_any_kind().await.unwrap();
    assert_eq!(first.name, "heartbeat", "the store may have what it was sent");
    assert_eq!(
        app.participants("general").await.header("x-cache"),
        "hot",
        "and nobody else notices"
    );
    app.store.set_fault(StoreFault::None);
    app.webhook(joined("bob")).await;
    assert_eq!(subscriber.next_list().await, ["alice", "bob"]);
}

#[tokio::test]
async fn a_made_up_last_event_id_waits_for_no_more_than_one_look() {
    let app = with_streams().await;
    app.webhooks([started(), joined("alice")]).await;
    let mut honest = app.subscriber("general").await;
    honest.next_list().await;
    let looks = app.metric(LOOKS).await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        let mut subscriber =
            app.subscriber_with("general", &[("Last-Event-ID", &made_up(&app))]).await;
        assert_eq!(subscriber.next_list().await, ["alice"]);
    }
    let (looks, secs) = (app.metric(LOOKS).await - looks, begun.elapsed().as_secs_f64());
    assert!(looks <= secs + 2.0, "{looks} looks within {secs} s");
    eventually("them to be gone", async || app.metric("streams_open").await == 1.0).await;
}

#[tokio::test]
async fn the_last_event_id_is_read_from_the_address_as_polyfills_write_it() {
    let app = with_streams().await;
    app.webhooks([started(), joined("alice")]).await;
    let mut honest = app.subscriber("general").await;
    let version = honest.next().await.unwrap().version();
    for name in ["last_event_id", "lastEventId", "lastEventID", "Last-Event-ID"] {
        // A polyfill that reconnects adds its parameter to the address that it has.
        let room = format!("general&last_event_id=1&{name}={version}");
        let mut subscriber = app.subscriber_with(&room, &[]).await;
        let first = subscriber.next_of_any_kind().await.unwrap();
        assert_eq!(first.name, "heartbeat", "{name}: it has the list");
    }
    let mut subscriber = app.subscriber_with(&format!("general&event_id={version}"), &[]).await;
    assert_eq!(subscriber.next_list().await, ["alice"]);
}
