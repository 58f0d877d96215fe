//! Ghosts: people whom LiveKit goes on listing after a crash.

use crate::harness::{ApiFault, eventually, joined, published, started};

use super::with_api;

#[tokio::test]
async fn a_session_that_fails_liveness_probes_is_hidden_though_livekit_lists_it() {
    let settings = [("LKP__RECONCILE__EVERY", "400ms")];
    let (app, livekit) = with_api(&settings).await;
    let people = ["alice", "bob", "carol"].map(joined);
    livekit.list("general", &people);
    app.webhook(started()).await;
    app.webhooks(people).await;
    let mut subscriber = app.subscriber("general").await;
    assert_eq!(subscriber.next_list().await, ["alice", "bob", "carol"]);
    livekit.kill("bob");
    assert_eq!(subscriber.next_list().await, ["alice", "carol"]);
    assert_eq!(app.metric("repairs_total{kind=\"crash_ghost\"}").await, 1.0);
    // Bob answers again, and is shown.
    livekit.revive("bob");
    app.webhook(published("bob", "TR_1")).await;
    assert_eq!(subscriber.next_list().await, ["alice", "bob", "carol"]);
}

#[tokio::test]
async fn a_room_of_ghosts_alone_empties() {
    let (app, livekit) = with_api(&[("LKP__RECONCILE__EVERY", "200ms")]).await;
    let people = ["alice", "bob", "carol"].map(joined);
    livekit.list("general", &people);
    app.webhook(started()).await;
    app.webhooks(people).await;
    let mut subscriber = app.subscriber("general").await;
    assert_eq!(subscriber.next_list().await.len(), 3);
    for ghost in ["alice", "bob", "carol"] {
        livekit.kill(ghost);
    }
    subscriber.until_list(&[]).await;
    assert_eq!(app.metric("repairs_total{kind=\"crash_ghost\"}").await, 3.0);
}

#[tokio::test]
async fn without_probes_ghosts_stay() {
    let settings = [("LKP__RECONCILE__EVERY", "50ms"), ("LKP__RECONCILE__PROVE_LIFE", "false")];
    let (app, livekit) = with_api(&settings).await;
    let alice = joined("alice");
    livekit.list("general", std::slice::from_ref(&alice));
    app.webhooks([started(), alice]).await;
    livekit.kill("alice");
    let _subscriber = app.subscriber("general").await;
    livekit.until_called("ListParticipants", 5).await;
    assert_eq!(livekit.calls("UpdateSubscriptions", None), 0);
    assert_eq!(app.participants("general").await.json().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn where_the_nodes_are_asked_for_lists_a_room_without_a_node_is_judged_by_probes() {
    let (app, livekit) = with_api(&[("LKP__RECONCILE__EVERY", "200ms")]).await;
    let people = ["alice", "bob"].map(joined);
    livekit.list("general", &people);
    app.webhook(started()).await;
    app.webhooks(people).await;
    app.webhooks([started().room("closed"), joined("erin").room("closed")]).await;
    livekit.set_fault(ApiFault::NoNodes);
    let mut subscriber = app.subscriber("general").await;
    assert_eq!(subscriber.next_list().await, ["alice", "bob"]);
    let mut closed = app.subscriber("closed").await;
    assert_eq!(closed.next_list().await, ["erin"]);
    // LiveKit has `general`, though no node does, and does not have `closed`.
    closed.until_list(&[]).await;
    eventually("probes to be made", async || {
        livekit.calls("UpdateSubscriptions", Some("general")) > 2
    })
    .await;
    assert_eq!(app.participants("general").await.header("x-cache"), "hot");
    livekit.kill("alice");
    livekit.kill("bob");
    subscriber.until_list(&[]).await;
}
