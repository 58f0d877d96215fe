//! Streams end in order, and say why.

use std::time::Duration;

use livekit_presence::presence::HostTime;

use crate::harness::{Subscriber, TestApp, eventually, joined};

async fn open_streams(app: &TestApp, count: usize) -> Vec<Subscriber> {
    let mut subscribers = Vec::new();
    for _ in 0..count {
        subscribers.push(app.subscriber("general").await);
    }
    subscribers
}

#[tokio::test]
async fn a_stream_ends_when_its_token_expires() {
    let app = TestApp::start().await;
    let bearer = format!("Bearer {}", app.token("general", 2));
    let target = "/api/livekit/participants/stream?room=general";
    let mut subscriber = app.open_stream(target, &[("Authorization", &bearer)]).await;
    let opened = tokio::time::Instant::now();
    subscriber.next_list().await;
    app.webhook(joined("alice")).await;
    assert_eq!(subscriber.next_list().await, ["alice"]);
    assert_eq!(subscriber.end().await, "expired");
    assert!(opened.elapsed() < Duration::from_secs(4), "{:?}", opened.elapsed());
    drop(subscriber);
    eventually("it to be counted", async || {
        app.metric("streams_closed_total{reason=\"expired\"}").await == 1.0
    })
    .await;
}

#[tokio::test]
async fn a_token_taken_within_the_leeway_ends_with_it() {
    let app = TestApp::start().await;
    // The token has one second of the leeway left by this clock.
    let now = HostTime::from_millis(1_800_000_000_000);
    app.clock.set(now);
    let bearer = format!("Bearer {}", app.token("general", 0));
    app.clock.set(now + Duration::from_secs(59));
    let target = "/api/livekit/participants/stream?room=general";
    let mut subscriber = app.open_stream(target, &[("Authorization", &bearer)]).await;
    assert_eq!(subscriber.end().await, "expired");
    app.clock.set(now + Duration::from_secs(61));
    let refused = app.get(target, &[("Authorization", &bearer)]).await;
    assert!(refused.problem(401).contains("expired"));
}

#[tokio::test]
async fn a_stream_ends_at_its_greatest_age_and_not_all_at_the_same_time() {
    let app = TestApp::with(&[("LKP__STREAM__MAX_AGE", "1s"), ("LKP__AUTH__MODE", "open")]).await;
    let opened = tokio::time::Instant::now();
    let mut subscribers = open_streams(&app, 20).await;
    let mut ended = Vec::new();
    let ends = subscribers.iter_mut().map(async |subscriber| {
        assert_eq!(subscriber.end().await, "max_age");
        opened.elapsed()
    });
    for end in futures_util::future::join_all(ends).await {
        assert!(end >= Duration::from_millis(790), "{end:?}");
        ended.push(end);
    }
    ended.sort();
    assert!(ended[19] - ended[0] > Duration::from_millis(20), "they are spread: {ended:?}");
}

#[tokio::test]
async fn shutting_down_ends_streams_spread_over_the_drain_and_answers_what_is_under_way() {
    let mut app =
        TestApp::with(&[("LKP__SHUTDOWN__DRAIN", "1s"), ("LKP__AUTH__MODE", "open")]).await;
    let mut subscribers = open_streams(&app, 40).await;
    let mut idle = app.connect().await;
    idle.request("GET", "/healthz", &[]).await;
    idle.response().await;
    let body = joined("alice").bytes();
    let request = app.webhook_request(&body);
    let mut under_way = app.connect().await;
    under_way.send(&request[..request.len() - 1]).await;
    let mut readiness = app.connect().await;
    readiness.send(b"GET /readyz HTTP/1.1\r\nHost: a\r\n").await;
    // Once the service has answered another request, it has received all of that.
    assert_eq!(app.get("/healthz", &[]).await.status, 200);

    app.tell_to_end();
    let told = tokio::time::Instant::now();
    assert!(idle.is_closed().await, "a connection on which nothing is asked is closed");
    readiness.send(b"\r\n").await;
    assert!(readiness.response().await.problem(503).contains("shutting down"));
    let ends = subscribers.iter_mut().map(async |subscriber| {
        let reason = subscriber.end().await;
        (reason, told.elapsed())
    });
    let finish = async {
        under_way.send(&request[request.len() - 1..]).await;
        assert_eq!(under_way.response().await.status, 200);
        let refused = tokio::net::TcpStream::connect(app.address).await;
        assert!(refused.is_err(), "it no longer listens");
    };
    let ((), mut ends) = tokio::join!(finish, futures_util::future::join_all(ends));
    ends.sort_by_key(|(_, end)| *end);
    assert!(ends.iter().all(|(reason, _)| reason == "drain"));
    assert!(ends[39].1 < Duration::from_millis(1_500), "{ends:?}");
    assert!(ends[39].1 - ends[0].1 > Duration::from_millis(300), "they are spread: {ends:?}");
    app.ended().await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_does_not_hold_up_the_shutdown() {
    let mut app = TestApp::with(&[("LKP__SHUTDOWN__DRAIN", "200ms")]).await;
    app.webhook(joined("alice").metadata(&"x".repeat(3_000_000))).await;
    let mut subscriber = app.subscriber("general").await;
    app.tell_to_end();
    let told = tokio::time::Instant::now();
    app.ended().await;
    assert!(told.elapsed() < Duration::from_secs(2), "{:?}", told.elapsed());
    // The list that was cut off has no proper end, so a client cannot take it for whole.
    let rest = subscriber.connection.rest().await;
    assert!(!rest.ends_with(b"0\r\n\r\n"));
}
