//! Events that have all rooms compared, and events that have one.

use crate::harness::{
    PROCESS_KEYS, Process, RedisServer, ScriptedLiveKit, StoreFault, eventually, joined, started,
};

use super::with_api;

#[tokio::test]
async fn one_refused_webhook_has_its_own_room_compared_and_no_other() {
    let (app, livekit) = with_api(&[("LKP__RECONCILE__EVERY", "1s")]).await;
    let names: Vec<_> = (0..5).map(|number| format!("room-{number}")).collect();
    for name in &names {
        app.webhooks([started().room(name), joined("alice").room(name)]).await;
    }
    livekit.list("general", &[joined("alice")]);
    app.store.set_fault(StoreFault::Fails);
    assert_eq!(app.post(&joined("alice")).await.status, 503);
    app.store.set_fault(StoreFault::None);
    eventually("its room to be compared", async || {
        livekit.calls("ListParticipants", Some("general")) > 0
    })
    .await;
    // A sweep would begin within five comparisons of a watched room.
    let _subscriber = app.subscriber("watched").await;
    eventually("five comparisons of a watched room", async || {
        app.metric("comparisons_total{reason=\"watched\",outcome=\"confirmed\"}").await >= 5.0
    })
    .await;
    for name in &names {
        assert_eq!(livekit.calls("ListParticipants", Some(name)), 0, "{name}");
    }
}

#[tokio::test]
async fn instances_that_start_together_compare_each_room_once() {
    let redis = RedisServer::start().await;
    let livekit = ScriptedLiveKit::start(PROCESS_KEYS).await;
    let (redis_url, livekit_url) = (redis.url(), livekit.url());
    let names: Vec<_> = (0..100).map(|number| format!("room-{number}")).collect();
    let before = Process::start(&[("REDIS_URL", &redis_url)]).await;
    eventually("it to be fit", async || before.get("/readyz").await.status == 200).await;
    for name in &names {
        let alice = joined("alice").room(name);
        livekit.list(name, std::slice::from_ref(&alice));
        before.webhooks([started().room(name), alice]).await;
    }
    let settings = [
        ("REDIS_URL", redis_url.as_str()),
        ("LIVEKIT_URL", livekit_url.as_str()),
        ("LKP__LIVEKIT__CALLS_PER_MINUTE", "6000"),
    ];
    let _instances = tokio::join!(Process::start(&settings), Process::start(&settings));
    let calls = || names.iter().map(|name| livekit.calls("ListParticipants", Some(name)));
    eventually("every room to be compared", async || calls().all(|count| count > 0)).await;
    assert!(calls().all(|count| count == 1), "{:?}", calls().collect::<Vec<_>>());
}
