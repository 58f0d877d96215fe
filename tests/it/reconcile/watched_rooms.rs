//! Watched rooms are compared regularly, and after anything that may have lost webhooks.

use serde_json::json;

use crate::harness::{ApiFault, StoreFault, eventually, identities, joined, left, started};

use super::with_api;

#[tokio::test]
async fn a_watched_room_becomes_what_livekit_says_without_any_webhook() {
    let (app, livekit) = with_api(&[("LKP__RECONCILE__EVERY", "200ms")]).await;
    // LiveKit has the room: that it does not is believed for ten seconds.
    livekit.list("general", &[]);
    let mut subscriber = app.subscriber("general").await;
    assert_eq!(subscriber.next_list().await, Vec::<String>::new());
    livekit.list("general", &[joined("alice")]);
    assert_eq!(subscriber.next_list().await, ["alice"]);
    // LiveKit sends no webhook when the API hides somebody.
    livekit.list("general", &[joined("alice").version(3).hidden()]);
    assert_eq!(subscriber.next_list().await, Vec::<String>::new());
    livekit.list("general", &[joined("alice").version(4).metadata("busy")]);
    let event = subscriber.next().await.unwrap();
    assert_eq!(event.json()[0]["metadata"], "busy");
    for (kind, expected) in [("missed_join", 1.0), ("attribute", 2.0)] {
        assert_eq!(app.metric(&format!("repairs_total{{kind=\"{kind}\"}}")).await, expected);
    }
}

// LiveKit sends no webhook for either.
#[tokio::test]
async fn permissions_and_data_tracks_that_change_are_updates() {
    let (app, livekit) = with_api(&[("LKP__RECONCILE__EVERY", "200ms")]).await;
    app.webhooks([started(), joined("alice")]).await;
    livekit.list("general", &[joined("alice")]);
    let mut subscriber = app.rooms_subscriber(&["general"]).await;
    let snapshot = subscriber.next().await.unwrap().json();
    assert_eq!(snapshot["participants"][0].get("permission"), None);
    let mut delta = async || subscriber.next().await.unwrap().json()["updated"][0].clone();

    let muted = json!({"can_subscribe": true, "can_publish": false, "can_publish_data": true});
    let alice = joined("alice").version(3).with("permission", muted);
    livekit.list("general", std::slice::from_ref(&alice));
    let expected = json!({"canPublish": false, "canSubscribe": true, "canPublishData": true});
    assert_eq!(delta().await["permission"], expected);

    let tracks = json!([{"pub_handle": 1, "sid": "DTR_1", "name": "telemetry"}]);
    livekit.list("general", &[alice.version(4).with("data_tracks", tracks)]);
    assert_eq!(delta().await["dataTracks"], json!([{"sid": "DTR_1", "name": "telemetry"}]));
}

#[tokio::test]
async fn a_participant_whose_leave_was_missed_goes_after_the_grace_and_not_before() {
    let settings = [("LKP__RECONCILE__EVERY", "100ms"), ("LKP__RECONCILE__GRACE", "1s")];
    let (app, livekit) = with_api(&settings).await;
    app.webhook(started()).await;
    let joined_at = std::time::Instant::now();
    app.webhook(joined("alice")).await;
    let mut subscriber = app.subscriber("general").await;
    assert_eq!(subscriber.next_list().await, ["alice"]);
    livekit.list("general", &[]);
    // No node answers for her. Within the grace no list decides, and after it two in a row do.
    assert_eq!(subscriber.next_list().await, Vec::<String>::new());
    assert!(joined_at.elapsed() > std::time::Duration::from_millis(900));
    assert!(livekit.calls("ListParticipants", Some("general")) >= 2);
    assert_eq!(app.metric("repairs_total{kind=\"missed_leave\"}").await, 1.0);
}

#[tokio::test]
async fn a_room_that_nobody_watches_is_not_compared() {
    let (app, livekit) = with_api(&[("LKP__RECONCILE__EVERY", "50ms")]).await;
    app.webhook(started()).await;
    app.webhook(started().room("watched")).await;
    let _subscriber = app.subscriber("watched").await;
    livekit.until_called("ListParticipants", 5).await;
    assert_eq!(livekit.calls("ListParticipants", Some("general")), 0);
}

#[tokio::test]
async fn while_the_api_fails_lists_are_as_webhooks_give_them_and_once_it_works_they_are_right() {
    let settings = [
        ("LKP__RECONCILE__EVERY", "100ms"),
        ("LKP__RECONCILE__GRACE", "1s"),
        ("LKP__PRESENCE__TTL", "1s"),
    ];
    let (app, livekit) = with_api(&settings).await;
    app.webhook(started()).await;
    let mut subscriber = app.subscriber("general").await;
    assert_eq!(subscriber.next_list().await, Vec::<String>::new());
    for fault in [ApiFault::Refuses, ApiFault::Fails] {
        livekit.set_fault(fault);
        eventually("the failure to be seen", async || app.metric("livekit_api_up").await == 0.0)
            .await;
        app.webhook(joined(&format!("during-{fault:?}"))).await;
        assert!(subscriber.next_list().await.contains(&format!("during-{fault:?}")));
        eventually("the list to count as stale", async || {
            app.participants("general").await.header("x-cache") == "stale"
        })
        .await;
        livekit.set_fault(ApiFault::None);
        livekit.list("general", &[joined("alice")]);
        subscriber.until_list(&["alice"]).await;
        livekit.list("general", &[]);
        subscriber.until_list(&[]).await;
        assert_eq!(app.metric("livekit_api_up").await, 1.0);
    }
}

#[tokio::test]
async fn after_a_webhook_that_could_not_be_stored_livekit_is_asked() {
    let (app, livekit) = with_api(&[]).await;
    app.webhook(started()).await;
    let mut subscriber = app.subscriber("general").await;
    assert_eq!(subscriber.next_list().await, Vec::<String>::new());
    app.store.set_fault(StoreFault::Fails);
    assert_eq!(app.post(&joined("alice")).await.status, 503);
    // LiveKit drops the webhook.
    livekit.list("general", &[joined("alice")]);
    app.store.set_fault(StoreFault::None);
    assert_eq!(subscriber.next_list().await, ["alice"]);
}

#[tokio::test]
async fn webhooks_newer_than_the_question_are_never_undone() {
    let (app, livekit) = with_api(&[("LKP__RECONCILE__EVERY", "100ms")]).await;
    let people = ["alice", "bob"].map(joined);
    livekit.list("general", &people);
    app.webhook(started()).await;
    app.webhooks(people.clone()).await;
    let mut subscriber = app.subscriber("general").await;
    assert_eq!(subscriber.next_list().await, ["alice", "bob"]);
    livekit.set_fault(ApiFault::Hangs);
    let asked = livekit.calls("ListParticipants", None);
    livekit.until_called("ListParticipants", asked + 1).await;
    // Bob leaves while LiveKit's answer, which still has both, is under way.
    app.webhook(left("bob")).await;
    assert_eq!(subscriber.next_list().await, ["alice"]);
    let confirmed = "comparisons_total{reason=\"watched\",outcome=\"confirmed\"}";
    let answered = app.metric(confirmed).await;
    livekit.set_fault(ApiFault::None);
    eventually("the answer", async || app.metric(confirmed).await > answered).await;
    livekit.list("general", &people[..1]);
    assert_eq!(identities(&app.participants("general").await.json()), ["alice"]);
    // Until then the stream showed alice alone.
    app.webhook(left("alice")).await;
    assert_eq!(subscriber.next_list().await, Vec::<String>::new());
}

#[tokio::test]
async fn one_room_whose_list_fails_does_not_hold_up_the_others() {
    let (app, livekit) = with_api(&[("LKP__RECONCILE__EVERY", "100ms")]).await;
    app.webhook(started().room("broken")).await;
    livekit.list("broken", &[joined("nobody").sid("")]);
    let _broken = app.subscriber("broken").await;
    livekit.until_called("ListParticipants", 2).await;
    app.webhook(started()).await;
    let mut subscriber = app.subscriber("general").await;
    assert_eq!(subscriber.next_list().await, Vec::<String>::new());
    livekit.list("general", &[joined("alice")]);
    assert_eq!(subscriber.next_list().await, ["alice"]);
    assert_eq!(app.metric("livekit_api_up").await, 1.0);
}
