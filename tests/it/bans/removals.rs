//! LiveKit is told to remove whoever is banned and inside.

use std::time::Instant;

use crate::harness::{ApiFault, eventually, identities, joined, published, started};

use super::{moderate, with_api};

#[tokio::test]
async fn who_is_inside_is_removed_with_the_ban_and_again_when_they_come_back() {
    let (app, livekit) = with_api(&[]).await;
    app.webhooks([started(), joined("alice"), joined("bob")]).await;
    livekit.list("general", &[joined("alice"), joined("bob")]);
    let mut subscriber = app.subscriber("general").await;
    assert_eq!(subscriber.next_list().await, ["alice", "bob"]);
    let banned = moderate(&app, "PUT", "bans/bob", "").await;
    assert_eq!(banned.json()["removed"], true);
    assert_eq!(livekit.calls("RemoveParticipant", Some("general")), 1);
    assert_eq!(subscriber.next_list().await, ["alice"]);

    let began = Instant::now();
    // LiveKit sends several webhooks of one session.
    app.webhooks([
        joined("bob").sid("PA_again"),
        published("bob", "TR_1").sid("PA_again"),
        published("bob", "TR_2").sid("PA_again"),
    ])
    .await;
    livekit.until_called("RemoveParticipant", 2).await;
    println!("told to remove them after {:?}", began.elapsed());
    app.webhook(joined("carol")).await;
    assert_eq!(subscriber.next_list().await, ["alice", "carol"], "nobody saw him");
    assert_eq!(livekit.calls("RemoveParticipant", Some("general")), 2, "one call for a session");
    assert_eq!(app.metric("bans_removals_total{outcome=\"removed\"}").await, 1.0);
    assert_eq!(app.metric("bans_removals_total{outcome=\"gone\"}").await, 1.0);
}

#[tokio::test]
async fn livekit_is_told_again_until_it_does_it_while_they_are_inside() {
    let (app, livekit) = with_api(&[]).await;
    app.webhooks([started(), joined("bob")]).await;
    livekit.list("general", &[joined("bob")]);
    livekit.set_fault(ApiFault::Fails);
    let banned = moderate(&app, "PUT", "bans/bob", "").await;
    assert_eq!((banned.status, &banned.json()["removed"]), (200, &false.into()));
    assert!(identities(&app.participants("general").await.json()).is_empty(), "hidden at once");
    livekit.until_called("RemoveParticipant", 3).await;
    livekit.set_fault(ApiFault::None);
    eventually("LiveKit to have removed him", async || {
        app.metric("bans_removals_total{outcome=\"removed\"}").await == 1.0
    })
    .await;
    assert!(app.metric("bans_removals_total{outcome=\"failed\"}").await >= 2.0);
}

#[tokio::test]
async fn a_comparison_finds_a_banned_person_whose_join_was_lost() {
    let (app, livekit) = with_api(&[("LKP__RECONCILE__EVERY", "200ms")]).await;
    app.webhooks([started(), joined("alice")]).await;
    livekit.list("general", &[joined("alice")]);
    let mut subscriber = app.subscriber("general").await;
    assert_eq!(subscriber.next_list().await, ["alice"]);
    assert_eq!(moderate(&app, "PUT", "bans/bob", "").await.status, 200);
    let before = livekit.calls("RemoveParticipant", Some("general"));
    livekit.list("general", &[joined("alice"), joined("bob")]);
    livekit.until_called("RemoveParticipant", before + 1).await;
    app.webhook(joined("carol")).await;
    livekit.list("general", &[joined("alice"), joined("carol")]);
    let seen = subscriber.until_list(&["alice", "carol"]).await;
    assert!(!seen.data.contains("bob"));
}

#[tokio::test]
async fn a_ban_that_is_over_lets_them_in_again() {
    let (app, livekit) = with_api(&[("LKP__RECONCILE__EVERY", "200ms")]).await;
    app.webhooks([started(), joined("alice")]).await;
    livekit.list("general", &[joined("alice")]);
    let soon = humantime::format_rfc3339_millis(
        std::time::SystemTime::now() + std::time::Duration::from_millis(1_500),
    );
    let body = format!(r#"{{"until": "{soon}"}}"#);
    assert_eq!(moderate(&app, "PUT", "bans/alice", &body).await.status, 200);
    let mut subscriber = app.subscriber("general").await;
    assert_eq!(subscriber.next_list().await, Vec::<String>::new());
    // She comes again before the end, and LiveKit lists her whatever it is told.
    let alice = joined("alice").sid("PA_again");
    app.webhook(alice.clone()).await;
    livekit.keep_alive("alice");
    eventually("her to be shown when it is over", async || {
        livekit.list("general", std::slice::from_ref(&alice));
        identities(&app.participants("general").await.json()) == ["alice"]
    })
    .await;
    assert_eq!(moderate(&app, "GET", "bans", "").await.json()["bans"], serde_json::json!([]));
}
