//! `POST /api/livekit/webhook` where a history is kept: what is only in this process is not acknowledged.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::join_all};
use livekit_presence::{
    presence::Record,
    store::{Outbox, PendingItem},
};

use crate::harness::{ScriptedLiveKit, TestApp, eventually, joined, left, within_deadline};

/// One of the keys of the service.
const KEY: &str = "APItest: secret-of-the-tests-0123456789abcdef";

/// The items that wait once there are as many.
async fn pending(outbox: &Arc<dyn Outbox>, count: usize) -> Vec<PendingItem> {
    eventually("the items", async || outbox.pending(100).await.unwrap().len() == count).await;
    outbox.pending(100).await.unwrap()
}

/// What an item says of people: who came, and who left.
fn told(item: &PendingItem) -> Vec<String> {
    let item = item.item.as_ref().expect("it can be read");
    let one = |record: &Record| match record {
        Record::Shown(shown) => format!("{} is in {}", shown.stay.identity, item.room),
        Record::Left(left) => format!("{} left {}", left.stay.identity, item.room),
        Record::Opened(_) => format!("{} opened", item.room),
        Record::Closed(_) => format!("{} closed", item.room),
    };
    item.records.iter().map(one).collect()
}

#[tokio::test]
async fn a_webhook_is_answered_when_the_history_has_it_and_the_list_changes_before() {
    let (app, outbox) = TestApp::keeping_history(&[]).await;
    let webhook = joined("alice");
    let mut answer = Box::pin(app.post(&webhook));
    let items = tokio::select! {
        response = &mut answer => panic!("answered {} before it is kept", response.status),
        items = pending(&outbox, 1) => items,
    };
    assert_eq!(told(&items[0]), ["alice is in general"]);
    assert_eq!(app.participants("general").await.json()[0]["identity"], "alice");
    // Another room waits for its own items alone.
    let elsewhere = joined("bob").room("elsewhere");
    let other = tokio::select! {
        response = app.post(&elsewhere) => panic!("answered {} before it is kept", response.status),
        items = pending(&outbox, 2) => items[1].clone(),
    };
    outbox.done(std::slice::from_ref(&other)).await.unwrap();
    let again = within_deadline("the other room's answer", app.post(&elsewhere)).await;
    assert_eq!(again.status, 200, "its item is done");
    assert!(answer.as_mut().now_or_never().is_none());
    outbox.done(&items).await.unwrap();
    assert_eq!(within_deadline("the answer", answer).await.status, 200);
}

#[tokio::test]
async fn while_the_history_takes_nothing_webhooks_are_503_and_so_are_repeated_ones() {
    let (app, outbox) = TestApp::keeping_history(&[]).await;
    let webhook = joined("alice");
    for longest in [5, 2] {
        let asked = Instant::now();
        let refused = app.post(&webhook).await;
        let longest = Duration::from_secs(longest);
        assert!(asked.elapsed() < longest, "{:?}: it is known to take nothing", asked.elapsed());
        let detail = refused.problem(503);
        assert!(detail.contains("history") && detail.contains("send it again"), "{detail}");
        assert_eq!(refused.header("retry-after"), "1", "LiveKit's other webhooks wait behind it");
        assert_eq!(app.participants("general").await.json()[0]["identity"], "alice");
    }
    let items = pending(&outbox, 1).await;
    assert_eq!(told(&items[0]), ["alice is in general"], "it was applied once");
    outbox.done(&items).await.unwrap();
    app.webhook(webhook).await;
}

// LiveKit drops the webhooks that wait behind this one for too long.
#[tokio::test]
async fn a_room_whose_webhook_the_history_did_not_take_is_compared() {
    let livekit = ScriptedLiveKit::start(KEY).await;
    let url = livekit.url();
    let settings = [("LIVEKIT_URL", url.as_str()), ("LKP__RECONCILE__EVERY", "1h")];
    let (app, outbox) = TestApp::keeping_history(&settings).await;
    let alice = joined("alice");
    livekit.list("general", &[alice.clone(), joined("bob")]);
    assert_eq!(app.post(&alice).await.status, 503);
    eventually("bob, of whom no webhook told", async || {
        let pending = outbox.pending(100).await.unwrap();
        pending.iter().flat_map(told).any(|one| one == "bob is in general")
    })
    .await;
}

#[tokio::test]
async fn a_webhook_for_which_the_history_had_no_room_is_503_also_when_it_is_repeated() {
    let (app, outbox) = TestApp::keeping_history(&[]).await;
    let webhook = joined("alice");
    let mut answer = Box::pin(app.post(&webhook));
    tokio::select! {
        response = &mut answer => panic!("answered {} before it is kept", response.status),
        _ = pending(&outbox, 1) => {}
    }
    let others: Vec<_> = (0..100).map(|n| joined("bob").room(&format!("room-{n}"))).collect();
    let mut posts = Box::pin(join_all(others.iter().map(|other| app.post(other))));
    let refused = tokio::select! {
        refused = answer => refused,
        _ = &mut posts => panic!("nothing takes them"),
    };
    for refused in [refused, app.post(&webhook).await] {
        let detail = refused.problem(503);
        assert!(detail.contains("no room"), "{detail}");
    }
}

#[tokio::test]
async fn what_changes_nothing_for_the_history_waits_for_nothing() {
    let (app, outbox) = TestApp::keeping_history(&[]).await;
    app.webhook(joined("ghost").hidden()).await;
    app.webhook(left("ghost").hidden()).await;
    assert!(outbox.pending(100).await.unwrap().is_empty());
}
