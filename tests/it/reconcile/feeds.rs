//! The rooms that a feed names are compared as those of streams are; a feed of all makes no room watched.

use crate::harness::{eventually, joined, started};

use super::with_api;

#[tokio::test]
async fn a_feed_tells_what_a_comparison_corrects_in_a_room_that_it_names() {
    let (app, livekit) =
        with_api(&[("LKP__RECONCILE__EVERY", "200ms"), ("LKP__RECONCILE__GRACE", "1s")]).await;
    let mut feed = app.feed("?room=general").await;
    assert_eq!(feed.next_message().await.unwrap().json()["event"], "connected");
    let lists = [vec![joined("alice")], vec![]];
    for (list, event) in lists.iter().zip(["participant_joined", "participant_left"]) {
        livekit.list("general", list);
        let message = feed.next_message().await.unwrap().json();
        assert_eq!(message["event"], event);
        assert_eq!(message["source"], "comparison");
        assert_eq!(message["data"]["participant"]["identity"], "alice");
    }
}

#[tokio::test]
async fn only_the_rooms_that_a_feed_names_are_compared_and_only_while_it_is_open() {
    let (app, livekit) = with_api(&[("LKP__RECONCILE__EVERY", "50ms")]).await;
    app.webhooks([started(), started().room("named"), started().room("other")]).await;
    let _all = app.feed("").await;
    let named = app.feed("?room=named").await;
    livekit.until_called("ListParticipants", 5).await;
    assert_eq!(livekit.calls("ListParticipants", Some("general")), 0);
    drop(named);
    eventually("the filter to go", async || app.metric("feed_filters").await == 1.0).await;
    let before = livekit.calls("ListParticipants", Some("named"));
    let _other = app.feed("?room=other").await;
    let other = || livekit.calls("ListParticipants", Some("other"));
    eventually("five comparisons of another room", async || other() >= 5).await;
    // One may have been under way.
    assert!(livekit.calls("ListParticipants", Some("named")) <= before + 1);
}
