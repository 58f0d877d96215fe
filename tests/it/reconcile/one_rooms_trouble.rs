//! A list that cannot be read affects its own room alone.

use std::time::{Duration, Instant};

use crate::harness::{
    PROCESS_KEYS, Process, ScriptedLiveKit, SpoiledList, eventually, identities, joined, started,
};

use super::with_api;

const FAILED: &str = "livekit_calls_total{method=\"list_participants\",outcome=\"failed\"}";

async fn holds_up_nobody_else(how: SpoiledList, failures: f64) {
    let (app, livekit) = with_api(&[("LKP__RECONCILE__EVERY", "50ms")]).await;
    app.webhook(started().room("broken")).await;
    livekit.spoil("broken", how);
    let _broken = app.subscriber("broken").await;
    eventually("its list to fail", async || app.metric(FAILED).await >= failures).await;
    assert_eq!(app.metric("livekit_api_up").await, 1.0);
    app.webhook(started()).await;
    let mut subscriber = app.subscriber("general").await;
    assert_eq!(subscriber.next_list().await, Vec::<String>::new());
    livekit.list("general", &[joined("alice")]);
    assert_eq!(subscriber.next_list().await, ["alice"]);
    assert_eq!(app.metric("livekit_api_up").await, 1.0);
}

#[tokio::test]
async fn a_room_whose_list_is_cut_off_holds_up_nobody_else() {
    holds_up_nobody_else(SpoiledList::CutOff, 4.0).await;
}

#[tokio::test]
async fn a_room_whose_list_is_too_large_holds_up_nobody_else() {
    holds_up_nobody_else(SpoiledList::TooLarge, 1.0).await;
}

#[tokio::test]
async fn a_room_that_livekit_fails_for_holds_up_nobody_else() {
    holds_up_nobody_else(SpoiledList::Fails, 4.0).await;
}

#[tokio::test]
async fn the_log_names_the_room_and_the_limit_and_clients_do_not_ask_again_at_once() {
    let livekit = ScriptedLiveKit::start(PROCESS_KEYS).await;
    livekit.spoil("broken", SpoiledList::TooLarge);
    let app = Process::start(&[("LIVEKIT_URL", &livekit.url())]).await;
    app.webhooks([joined("alice").room("broken")]).await;
    let read = async || app.get("/api/livekit/participants?room=broken").await;
    for _ in 0..5 {
        let answer = read().await;
        assert_eq!(answer.header("x-cache"), "stale");
        assert_eq!(identities(&answer.json()), ["alice"]);
    }
    let asked_at = Instant::now();
    read().await;
    assert!(asked_at.elapsed() < Duration::from_millis(1_500), "{:?}", asked_at.elapsed());
    assert_eq!(livekit.calls("ListParticipants", Some("broken")), 1);
    eventually("a line in the log", async || {
        app.log().lines().any(|line| line.contains("\"broken\"") && line.contains("67108864"))
    })
    .await;
}
