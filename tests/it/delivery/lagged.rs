//! A subscriber of the feed that is too slow is closed, and misses nothing.

use crate::harness::{Connection, Subscriber, TestApp, eventually, joined};

const EVENTS: usize = 60;
/// So much that the instance does not keep all of them for slow subscribers.
const EVENT_BYTES: usize = 400_000;

async fn slow_feed(app: &TestApp) -> Subscriber {
    let mut connection = Connection::with_receive_buffer(app.address, Some(4096)).await;
    let bearer = format!("Bearer {}", app.list_token());
    connection.request("GET", "/api/events", &[("Authorization", &bearer)]).await;
    Subscriber::of(connection).await
}

/// Reads to the end of a feed, or until all events have come.
async fn read(feed: &mut Subscriber, seen: &mut Vec<String>) {
    while seen.len() < EVENTS
        && let Some(message) = feed.next_message().await
    {
        let message = message.json();
        assert_ne!(message["event"], "gap");
        if message["type"] == "livekit" {
            seen.push(message["data"]["participant"]["identity"].as_str().unwrap().to_owned());
        }
    }
}

#[tokio::test]
async fn a_feed_that_is_too_slow_is_closed_and_resumes_without_a_loss() {
    // On a busy machine, nobody may be closed for another reason.
    let settings = [("LKP__STREAM__COALESCE", "0ms"), ("LKP__STREAM__WRITE_TIMEOUT", "5m")];
    let app = TestApp::with(&settings).await;
    let mut quick = app.feed("").await;
    let mut slow = slow_feed(&app).await;
    let metadata = "x".repeat(EVENT_BYTES);
    let identities: Vec<_> = (0..EVENTS).map(|number| format!("user-{number:02}")).collect();
    for identity in &identities {
        app.webhook(joined(identity).metadata(&metadata)).await;
        // A subscriber that reads gets each at once, also while another is slow.
        let mut seen = None;
        while seen.as_ref() != Some(identity) {
            let message = quick.next_message().await.unwrap().json();
            seen = message["data"]["participant"]["identity"].as_str().map(str::to_owned);
        }
    }
    let mut seen = Vec::new();
    read(&mut slow, &mut seen).await;
    assert!(seen.len() < EVENTS, "more is kept for slow subscribers than this test knows");
    eventually("it to be closed", async || {
        app.metric("streams_closed_total{reason=\"lagged\"}").await >= 1.0
    })
    .await;
    let mut last_id = slow.last_id.clone();
    let mut returns = 0;
    while seen.len() < EVENTS {
        let mut again = app.feed_after("", last_id.as_deref()).await;
        read(&mut again, &mut seen).await;
        last_id.clone_from(&again.last_id);
        returns += 1;
    }
    assert_eq!(seen, identities, "each once, in order");
    assert!(returns > 1, "as much as this comes in several parts");
    assert_eq!(app.metric("heartbeat_repairs_total").await, 0.0);
}
