//! A ban holds, though the token with which somebody joined stays valid.

use std::time::Duration;

use serde_json::json;

use crate::{
    bans::ask,
    harness::{Response, patiently},
};

use super::scenario::{Delivery, Key, Plan, ROOM, Scenario, Source, say, sign};

/// LiveKit removes at once, and its list and the streams follow within milliseconds; a busy machine needs more.
const SEEN: Duration = Duration::from_secs(5);
const OUT_WITHIN: Duration = Duration::from_secs(1);

async fn moderate(scenario: &Scenario, method: &str, identity: &str) -> Response {
    let grant = json!({"sub": "moderator", "video": {"room": ROOM, "roomAdmin": true}});
    let bearer = format!("Bearer {}", sign(Key::First, grant));
    let target = format!("/api/livekit/rooms/{ROOM}/bans/{identity}");
    let headers = [("Authorization", bearer.as_str())];
    ask(scenario.service_address(), method, &target, &headers, "").await
}

/// A client that is removed while it joins may try again by itself, and is removed again.
async fn until_only_alice_is_listed(scenario: &Scenario) {
    patiently("LiveKit to list only alice", async || {
        let listed = scenario.api().list_participants(ROOM).await.people().unwrap();
        listed.iter().map(|one| &*one.identity).eq(["alice"])
    })
    .await;
}

#[tokio::test]
async fn who_is_banned_is_out_and_whenever_they_come_again_they_are_out_and_nobody_sees_them() {
    let Some(mut scenario) = Plan::named("ban").start().await else { return };
    let alice = scenario.join("alice").await;
    let bob = scenario.join("bob").await;
    bob.publish(Source::Microphone).await;
    scenario.settles(&[&alice, &bob]).await;
    scenario.acts();
    let banned = moderate(&scenario, "PUT", "bob").await;
    assert_eq!((banned.status, &banned.json()["removed"]), (200, &true.into()));
    scenario.becomes_right("set", &[&alice], SEEN).await;
    patiently("bob's client to be told", async || bob.has_given_up().await).await;
    let removed = |one: &Delivery| one.is("participant_left", "bob");
    let left = scenario.proxy.deliveries().until("his leave", 1, removed).await;
    assert_eq!(left[0].reason, "PARTICIPANT_REMOVED");

    let frames = scenario.watch.frame_count();
    let joins = |one: &Delivery| one.is("participant_joined", "bob");
    for round in 2..=4 {
        // LiveKit takes his token. It may remove him before the SDK has joined.
        let _ = scenario.try_join(&Scenario::guest("bob")).await;
        let joined = scenario.proxy.deliveries().until("his join", round, joins).await;
        let left = scenario.proxy.deliveries().until("his leave", round, removed).await;
        let (joined, left) = (&joined[round - 1], &left[round - 1]);
        assert_eq!((&joined.sid, &*left.reason), (&left.sid, "PARTICIPANT_REMOVED"));
        let inside = left.at.duration_since(joined.at);
        say(&format!("ban: he comes again, and is out {inside:?} after the webhook of his join"));
        assert!(inside < OUT_WITHIN, "{}", scenario.story());
    }
    until_only_alice_is_listed(&scenario).await;

    assert_eq!(moderate(&scenario, "DELETE", "bob").await.status, 204);
    let dave = scenario.join("dave").await;
    scenario.settles(&[&alice, &dave]).await;
    let seen = scenario.watch.seen();
    let shows_bob = seen.frames[frames..]
        .iter()
        .any(|frame| frame.people.iter().any(|person| person.identity == "bob"));
    assert!(!shows_bob, "{:#?}", seen.frames);
    scenario.acts();
    let bob = scenario.join("bob").await;
    scenario.becomes_right("lifted, and he comes again", &[&alice, &dave, &bob], SEEN).await;
}
