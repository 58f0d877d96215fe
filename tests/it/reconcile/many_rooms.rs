//! More watched rooms than the budget allows: each is compared less often and trusted longer.

use std::time::{Duration, Instant};

use crate::harness::{joined, started};

use super::with_api;

/// Half of the default budget, and a tenth of the default times.
const SETTINGS: [(&str, &str); 3] = [
    ("LKP__RECONCILE__EVERY", "2s"),
    ("LKP__PRESENCE__TTL", "6s"),
    ("LKP__LIVEKIT__CALLS_PER_MINUTE", "300"),
];
const ROOMS: usize = 60;

#[tokio::test]
async fn quiet_rooms_beyond_the_budget_are_never_stale_while_livekit_answers() {
    let (app, livekit) = with_api(&SETTINGS).await;
    let names: Vec<_> = (0..ROOMS).map(|number| format!("room-{number}")).collect();
    let webhooks = names.iter().flat_map(|name| {
        let alice = joined("alice").room(name);
        livekit.list(name, std::slice::from_ref(&alice));
        [started().room(name), alice]
    });
    app.webhooks(webhooks).await;
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let _subscriber = app.rooms_subscriber(&names).await;
    // Each room takes a comparison and a probe, so a round of all rooms takes 24 s instead of two.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(12) {
        let stale = app.metric("rooms_hot{state=\"stale\"}").await;
        assert_eq!(stale, 0.0, "after {:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(app.metric("rooms_hot{state=\"confirmed\"}").await, ROOMS as f64);
    let compared = names.iter().filter(|name| livekit.calls("ListParticipants", Some(name)) > 0);
    assert!(compared.count() < ROOMS, "there were more rooms than the budget allows");
}

#[tokio::test]
async fn a_client_that_finds_no_call_left_is_answered_at_once() {
    // One call at once, and one every six seconds.
    let (app, livekit) = with_api(&[("LKP__LIVEKIT__CALLS_PER_MINUTE", "10")]).await;
    for room in ["first", "second"] {
        livekit.list(room, &[joined("alice").room(room), joined("bob").room(room)]);
        app.webhook(joined("bob").room(room)).await;
    }
    assert_eq!(app.participants("first").await.header("x-cache"), "livekit");
    let asked_at = Instant::now();
    let answer = app.participants("second").await;
    assert_eq!(answer.header("x-cache"), "stale");
    assert_eq!(answer.json().as_array().unwrap().len(), 1, "what is known");
    assert!(asked_at.elapsed() < Duration::from_millis(1_500), "{:?}", asked_at.elapsed());
    // The room is compared as soon as the budget has a call.
    crate::harness::eventually("everybody", async || {
        app.participants("second").await.json().as_array().unwrap().len() == 2
    })
    .await;
}
