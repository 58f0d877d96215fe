//! Telephone calls: no webhook tells that a call rings or is answered.

use crate::harness::{eventually, joined, started};

use super::with_api;

fn status(list: &serde_json::Value) -> Option<&str> {
    list[0]["attributes"]["sip.callStatus"].as_str()
}

#[tokio::test]
async fn a_watched_room_in_which_somebody_is_called_shows_at_once_that_they_answer() {
    // Other rooms are not compared within the test's time.
    let (app, livekit) = with_api(&[("LKP__RECONCILE__EVERY", "1h")]).await;
    app.webhook(started()).await;
    let mut subscriber = app.subscriber("general").await;
    subscriber.next().await.unwrap();
    let caller = |status| joined("caller").calling(status);
    let dialing = caller("dialing");
    livekit.list("general", std::slice::from_ref(&dialing));
    app.webhook(dialing).await;
    assert_eq!(status(&subscriber.next().await.unwrap().json()), Some("dialing"));
    livekit.list("general", &[caller("ringing").version(3)]);
    assert_eq!(status(&subscriber.next().await.unwrap().json()), Some("ringing"));
    livekit.list("general", &[caller("active").version(4)]);
    assert_eq!(status(&subscriber.next().await.unwrap().json()), Some("active"));
}

#[tokio::test]
async fn livekit_is_asked_about_an_unwatched_room_in_which_somebody_is_called() {
    let (app, livekit) = with_api(&[]).await;
    app.webhooks([started(), joined("caller").calling("ringing")]).await;
    livekit.list("general", &[joined("caller").calling("active").version(3)]);
    eventually("the call to be answered", async || {
        status(&app.participants("general").await.json()) == Some("active")
    })
    .await;
}

#[tokio::test]
async fn nobody_has_a_room_compared_by_calling_themselves_a_caller() {
    let (app, livekit) = with_api(&[]).await;
    let mallory = joined("mallory").calling("ringing").kind("STANDARD");
    livekit.list("general", std::slice::from_ref(&mallory));
    app.webhooks([started(), mallory]).await;
    for _ in 0..5 {
        assert_eq!(app.participants("general").await.header("x-cache"), "store");
    }
    assert_eq!(livekit.calls("ListParticipants", None), 0);
}
