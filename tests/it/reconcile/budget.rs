//! LiveKit is not called more often than the budget allows.

use std::time::{Duration, Instant};

use crate::harness::{ApiFault, eventually, joined, started};

use super::with_api;

#[tokio::test]
async fn more_watched_rooms_than_the_budget_allows_wait_for_their_turn() {
    let settings = [
        ("LKP__RECONCILE__EVERY", "20ms"),
        ("LKP__LIVEKIT__CALLS_PER_MINUTE", "300"),
        ("LKP__LIMITS__STREAMS_PER_IDENTITY", "0"),
    ];
    let began = Instant::now();
    let (app, livekit) = with_api(&settings).await;
    let mut subscribers = Vec::new();
    for number in 0..20 {
        let name = format!("room-{number}");
        app.webhook(started().room(&name)).await;
        app.webhook(joined("alice").room(&name)).await;
        livekit.list(&name, &[joined("alice")]);
        subscribers.push(app.subscriber(&name).await);
    }
    eventually("every room to have had its turn", async || {
        (0..20).all(|number| livekit.calls("ListParticipants", Some(&format!("room-{number}"))) > 0)
    })
    .await;
    let calls =
        livekit.calls("ListParticipants", None) + livekit.calls("UpdateSubscriptions", None);
    let allowed = 30.0 + began.elapsed().as_secs_f64() * 5.0 + 1.0;
    assert!(calls as f64 <= allowed, "{calls} calls, {allowed} allowed");
}

#[tokio::test]
async fn when_livekit_limits_our_calls_none_comes_before_the_time_it_names() {
    let (app, livekit) = with_api(&[("LKP__RECONCILE__EVERY", "50ms")]).await;
    app.webhook(started()).await;
    let _subscriber = app.subscriber("general").await;
    livekit.set_fault(ApiFault::Limits(2));
    let before = livekit.calls("ListParticipants", None);
    livekit.until_called("ListParticipants", before + 1).await;
    eventually("the limit to be seen", async || {
        app.metric("livekit_calls_total{method=\"list_participants\",outcome=\"limited\"}").await
            > 0.0
    })
    .await;
    let limited_at = Instant::now();
    let calls = livekit.calls("ListParticipants", None);
    livekit.set_fault(ApiFault::None);
    livekit.until_called("ListParticipants", calls + 1).await;
    assert!(limited_at.elapsed() > Duration::from_millis(1_500), "{:?}", limited_at.elapsed());
}

#[tokio::test]
async fn a_client_does_not_wait_for_an_api_that_is_known_to_be_down() {
    let (app, livekit) = with_api(&[("LKP__RECONCILE__EVERY", "50ms")]).await;
    app.webhook(started()).await;
    let _subscriber = app.subscriber("general").await;
    livekit.set_fault(ApiFault::Limits(60));
    eventually("the limit to be seen", async || {
        app.metric("livekit_calls_total{method=\"list_participants\",outcome=\"limited\"}").await
            > 0.0
    })
    .await;
    let asked_at = Instant::now();
    assert_eq!(app.participants("another").await.header("x-cache"), "stale");
    assert!(asked_at.elapsed() < Duration::from_secs(1));
}
