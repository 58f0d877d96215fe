//! A subscriber that comes back gets what it missed, once and in order, or is told that something is missing.

use crate::harness::{StoreFault, Subscriber, TestApp, WebhookBody, eventually, joined};

use super::{is_connected, is_told, next_event, subject, subjects};

fn join(number: usize) -> WebhookBody {
    joined(&format!("user-{number}"))
}

fn expected(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("participant_joined user-{number}")).collect()
}

/// Reads one event, and goes away.
async fn sent_one(mut feed: Subscriber) -> String {
    is_connected(&mut feed).await;
    next_event(&mut feed).await;
    feed.last_id.unwrap()
}

#[tokio::test]
async fn a_subscriber_that_comes_back_is_sent_what_it_missed_and_then_what_comes() {
    let app = TestApp::start().await;
    let feed = app.feed("").await;
    app.webhook(join(0)).await;
    let last_id = sent_one(feed).await;
    app.webhooks((1..30).map(join)).await;
    for header in [true, false] {
        let mut again = if header {
            app.feed_after("", Some(&last_id)).await
        } else {
            app.feed(&format!("?last_event_id={last_id}")).await
        };
        is_connected(&mut again).await;
        assert_eq!(subjects(&mut again, 29).await, expected(1..30));
    }
    let mut again = app.feed_after("", Some(&last_id)).await;
    app.webhooks((30..60).map(join)).await;
    is_connected(&mut again).await;
    assert_eq!(
        subjects(&mut again, 59).await,
        expected(1..60),
        "none is missing, none comes twice"
    );
}

#[tokio::test]
async fn what_was_missed_is_filtered_as_well() {
    let app = TestApp::start().await;
    let feed = app.feed("").await;
    app.webhook(join(0)).await;
    let last_id = sent_one(feed).await;
    app.webhooks([join(1), joined("alice").room("other"), join(2)]).await;
    let mut again = app.feed_after("?room=other", Some(&last_id)).await;
    is_connected(&mut again).await;
    app.webhook(joined("bob").room("other")).await;
    let expected = ["participant_joined alice", "participant_joined bob"];
    assert_eq!(subjects(&mut again, 2).await, expected);
}

#[tokio::test]
async fn a_subscriber_that_was_the_only_one_resumes_from_the_stores_log() {
    let app = TestApp::start().await;
    let feed = app.feed("").await;
    app.webhook(join(0)).await;
    let last_id = sent_one(feed).await;
    eventually("nobody to follow the log", async || app.metric("feed_followed").await == 0.0).await;
    app.webhook(join(1)).await;
    let mut again = app.feed_after("", Some(&last_id)).await;
    is_connected(&mut again).await;
    assert_eq!(subjects(&mut again, 1).await, expected(1..2));
    assert_eq!(app.metric("feed_resumes_total{outcome=\"log\"}").await, 1.0);
    // What was read for one serves the next.
    let mut next = app.feed_after("", Some(&last_id)).await;
    is_connected(&mut next).await;
    assert_eq!(subjects(&mut next, 1).await, expected(1..2));
    assert_eq!(app.metric("feed_resumes_total{outcome=\"memory\"}").await, 1.0);
}

#[tokio::test]
async fn the_connected_of_a_subscriber_that_comes_back_skips_nothing() {
    let app = TestApp::start().await;
    let feed = app.feed("").await;
    app.webhook(join(0)).await;
    let last_id = sent_one(feed).await;
    app.webhooks((1..4).map(join)).await;
    let mut again = app.feed_after("", Some(&last_id)).await;
    is_connected(&mut again).await;
    // The connection is lost right after it.
    assert_eq!(again.last_id.as_ref(), Some(&last_id));
    let mut once_more = app.feed_after("", again.last_id.as_deref()).await;
    is_connected(&mut once_more).await;
    assert_eq!(subjects(&mut once_more, 3).await, expected(1..4));
}

#[tokio::test]
async fn an_id_that_the_log_does_not_know_is_a_gap_and_then_the_feed_is_live() {
    let app = TestApp::start().await;
    let mut other = app.feed("").await;
    app.webhook(join(0)).await;
    is_connected(&mut other).await;
    next_event(&mut other).await;
    for id in ["nonsense", "17-0", "0-0", "1795391850268-7", "99999999999999-0", "%00", "-"] {
        let mut feed = app.feed(&format!("?last_event_id={id}")).await;
        is_connected(&mut feed).await;
        // Lost here, the subscriber is told of the gap again.
        let between = feed.last_id.clone();
        is_told(&mut feed, "gap").await;
        app.webhook(join(1)).await;
        let mut again = app.feed_after("", between.as_deref()).await;
        is_connected(&mut again).await;
        is_told(&mut again, "gap").await;
    }
    let mut named_empty = app.feed("?last_event_id=").await;
    is_connected(&mut named_empty).await;
    app.webhook(joined("zoe")).await;
    // What came just before may still be on its way.
    while subject(&next_event(&mut named_empty).await) != "participant_joined zoe" {}
}

#[tokio::test]
async fn a_log_that_cannot_be_read_is_said_with_503_and_the_id_stays_good() {
    let app = TestApp::start().await;
    let feed = app.feed("").await;
    app.webhook(join(0)).await;
    let last_id = sent_one(feed).await;
    app.webhooks((1..3).map(join)).await;
    app.store.set_fault(StoreFault::Fails);
    // What this instance still has needs no store.
    let mut again = app.feed_after("", Some(&last_id)).await;
    is_connected(&mut again).await;
    assert_eq!(subjects(&mut again, 2).await, expected(1..3));
    let bearer = format!("Bearer {}", app.list_token());
    let headers = [("Authorization", bearer.as_str()), ("Last-Event-ID", "17-0")];
    app.get("/api/events", &headers).await.problem(503);
    app.store.set_fault(StoreFault::None);
}

#[tokio::test]
async fn what_the_log_no_longer_has_is_a_gap() {
    let app = TestApp::with(&[("LKP__EVENTS__MAX", "10")]).await;
    let mut other = app.feed("").await;
    is_connected(&mut other).await;
    app.webhooks((0..30).map(join)).await;
    let mut ids = Vec::new();
    for _ in 0..30 {
        next_event(&mut other).await;
        ids.push(other.last_id.clone().unwrap());
    }
    let mut kept = app.feed_after("", Some(&ids[19])).await;
    is_connected(&mut kept).await;
    assert_eq!(subjects(&mut kept, 10).await, expected(20..30));
    let mut lost = app.feed_after("", Some(&ids[18])).await;
    is_connected(&mut lost).await;
    is_told(&mut lost, "gap").await;
    app.webhook(join(30)).await;
    assert_eq!(subjects(&mut lost, 1).await, expected(30..31), "and then the feed is live");
}

/// Opens the feed again and again while things go on, and reads a few messages each time.
async fn seen_by_hopping(app: &TestApp, parameters: &str, seed: u64, count: usize) -> Vec<String> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut last_id, mut seen) = (None::<String>, Vec::new());
    while seen.len() < count {
        let mut feed = app.feed_after(parameters, last_id.as_deref()).await;
        is_connected(&mut feed).await;
        let wanted = (seen.len() + rng.usize(1..12)).min(count);
        while seen.len() < wanted {
            seen.push(subject(&next_event(&mut feed).await));
        }
        last_id = feed.last_id;
    }
    seen
}

#[tokio::test]
async fn whenever_subscribers_come_and_go_each_sees_every_event_once_and_in_order() {
    const EVENTS: usize = 300;
    for coalesce in ["0ms", "25ms"] {
        let settings =
            [("LKP__STREAM__COALESCE", coalesce), ("LKP__LIMITS__STREAMS_PER_IDENTITY", "0")];
        let app = TestApp::with(&settings).await;
        // Keeps the log running, so that all begin at the same place.
        let mut steady = app.feed("").await;
        is_connected(&mut steady).await;
        let all: Vec<_> = (0..EVENTS).map(|number| joined(&format!("user-{number}"))).collect();
        let parameters = ["", "?room=general", "?event=participant_joined&prefix=gen"];
        let hopping = (0..9).map(|seed| {
            seen_by_hopping(&app, parameters[seed % parameters.len()], seed as u64, EVENTS)
        });
        let posting = async {
            eventually("all to be there", async || app.metric("streams_open").await == 10.0).await;
            app.webhooks(all).await;
        };
        let (seen, ()) = tokio::join!(futures_util::future::join_all(hopping), posting);
        for seen in seen {
            assert_eq!(seen, expected(0..EVENTS));
        }
        assert_eq!(app.metric("feed_gaps_total").await, 0.0);
        assert_eq!(app.metric("heartbeat_repairs_total").await, 0.0);
    }
}
