//! What webhooks alone make right, if all of them arrive.

use std::time::Duration;

use futures_util::future::join_all;

use super::scenario::{Client, Guest, Key, Plan, ROOM, Scenario, Source, WebhookFault};

/// A webhook arrives within milliseconds; the rest is a margin for a busy machine. It is less than a comparison would need.
const AT_ONCE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_join_a_track_and_a_leave_are_seen_at_once() {
    let Some(mut scenario) = Plan::named("one participant").start().await else { return };
    scenario.acts();
    let alice = scenario.join("alice").await;
    scenario.becomes_right("join", &[&alice], AT_ONCE).await;
    scenario.acts();
    let microphone = alice.publish(Source::Microphone).await;
    scenario.becomes_right("publish audio", &[&alice], AT_ONCE).await;
    scenario.acts();
    alice.publish(Source::Camera).await;
    scenario.becomes_right("publish video", &[&alice], AT_ONCE).await;
    scenario.acts();
    alice.unpublish(&microphone).await;
    scenario.becomes_right("unpublish", &[&alice], AT_ONCE).await;
    scenario.leave(&[&alice]).await;
    scenario.becomes_right("leave", &[], AT_ONCE).await;
}

#[tokio::test]
async fn a_killed_client_is_gone_when_livekit_notices() {
    let Some(mut scenario) = Plan::named("killed client").start().await else { return };
    let alice = scenario.join("alice").await;
    let bob = scenario.join_apart("bob").await;
    bob.publish(Source::Microphone).await;
    scenario.settles(&[&alice, &bob]).await;
    scenario.acts();
    bob.kill().await;
    // Ten seconds until ICE is disconnected, five until it has failed, five until LiveKit cleans up.
    scenario.becomes_right("", &[&alice], Duration::from_secs(40)).await;
    let left = scenario.proxy.deliveries().matching(|one| one.is("participant_left", "bob"));
    assert_eq!(left[0].reason, scenario.livekit.version.reason_of_the_killed());
}

#[tokio::test]
async fn the_newest_session_of_an_identity_is_shown() {
    let Some(mut scenario) = Plan::named("duplicate identity").start().await else { return };
    let first = scenario.join("alice").await;
    first.publish(Source::Microphone).await;
    scenario.settles(&[&first]).await;
    scenario.acts();
    let second = scenario.join("alice").await;
    scenario.becomes_right("", &[&second], AT_ONCE).await;
    let left = scenario.proxy.deliveries().matching(|one| one.is("participant_left", "alice"));
    assert_eq!(left[0].reason, "DUPLICATE_IDENTITY");
}

#[tokio::test]
async fn a_resumed_session_is_shown_throughout() {
    let Some(mut scenario) = Plan::named("resume").start().await else { return };
    let alice = scenario.join("alice").await;
    alice.publish(Source::Camera).await;
    scenario.settles(&[&alice]).await;
    let webhooks = scenario.proxy.deliveries().all().len();
    let before = alice.person().await.unwrap();
    scenario.acts();
    comes_back(&alice, "resume").await;
    scenario.stays_right("", &[&alice], Duration::from_secs(3)).await;
    assert_eq!(alice.person().await.unwrap(), before);
    assert_eq!(scenario.proxy.deliveries().all().len(), webhooks, "LiveKit says nothing of it");
}

#[tokio::test]
async fn a_session_that_starts_anew_replaces_the_old_one_with_its_tracks() {
    let Some(mut scenario) = Plan::named("new session").start().await else { return };
    let alice = scenario.join("alice").await;
    let bob = scenario.join("bob").await;
    alice.publish(Source::Microphone).await;
    alice.publish(Source::Camera).await;
    scenario.settles(&[&alice, &bob]).await;
    for failure in ["full-reconnect", "failed-resume", "node-failure", "migration"] {
        let before = alice.person().await.unwrap();
        scenario.acts();
        comes_back(&alice, failure).await;
        scenario.becomes_right(failure, &[&alice, &bob], AT_ONCE).await;
        let after = alice.person().await.unwrap();
        assert_ne!(before.sid, after.sid, "{failure}");
        assert_eq!(after.tracks.len(), 2, "{failure}");
    }
    scenario.acts();
    alice.simulate("server-leave").await;
    scenario.becomes_right("server leave", &[&bob], AT_ONCE).await;
}

/// Simulates a failure, and waits until the client says that it is connected again.
async fn comes_back(client: &Client, failure: &str) {
    let before = client.reconnects().await;
    client.simulate(failure).await;
    client.until_reconnected(before).await;
}

#[tokio::test]
async fn a_removed_participant_is_gone_at_once() {
    let Some(mut scenario) = Plan::named("removed by the API").start().await else { return };
    let alice = scenario.join("alice").await;
    let bob = scenario.join("bob").await;
    let carol = scenario.join("carol").await;
    bob.publish(Source::Microphone).await;
    scenario.settles(&[&alice, &bob, &carol]).await;
    scenario.acts();
    scenario.api().remove_participant(ROOM, "bob").await.done();
    scenario.becomes_right("RemoveParticipant", &[&alice, &carol], AT_ONCE).await;
    scenario.acts();
    scenario.api().delete_room(ROOM).await.done();
    scenario.becomes_right("DeleteRoom", &[], AT_ONCE).await;
    let reason = |identity| {
        let left = scenario.proxy.deliveries().matching(|one| one.is("participant_left", identity));
        left[0].reason.clone()
    };
    assert_eq!(["bob", "carol"].map(reason), ["PARTICIPANT_REMOVED", "ROOM_DELETED"]);
}

#[tokio::test]
async fn a_participant_who_joins_hidden_is_never_shown() {
    let Some(mut scenario) = Plan::named("hidden from the start").start().await else { return };
    let alice = scenario.join("alice").await;
    scenario.settles(&[&alice]).await;
    scenario.acts();
    let ghost = Guest { hidden: true, ..Scenario::guest("watcher") };
    let watcher = scenario.join_as(ghost).await;
    watcher.publish(Source::Microphone).await;
    scenario
        .proxy
        .deliveries()
        .until("their track", 1, |one| one.is("track_published", "watcher"))
        .await;
    scenario.stays_right("", &[&alice], Duration::from_secs(1)).await;
}

#[tokio::test]
async fn thirty_come_and_go_at_once() {
    let Some(mut scenario) = Plan::named("thirty at once").start().await else { return };
    let identities: Vec<_> = (0..30).map(|number| format!("guest-{number:02}")).collect();
    scenario.acts();
    let thirty = join_all(identities.iter().map(|identity| scenario.join(identity))).await;
    let inside: Vec<_> = thirty.iter().collect();
    scenario.becomes_right("there", &inside, 4 * AT_ONCE).await;
    scenario.leave(&inside).await;
    scenario.becomes_right("gone", &[], 2 * AT_ONCE).await;
}

#[tokio::test]
async fn webhooks_that_are_refused_for_seconds_come_later_and_in_order() {
    let Some(mut scenario) = Plan::named("webhooks refused for seconds").start().await else {
        return;
    };
    let alice = scenario.join("alice").await;
    scenario.settles(&[&alice]).await;
    for (name, fault) in [
        ("503", WebhookFault::Refuse(503)),
        ("no answer", WebhookFault::Close),
        ("lost answers", WebhookFault::LoseAnswer),
        ("late", WebhookFault::Delay(Duration::from_millis(1_500))),
    ] {
        scenario.proxy.set_fault(fault);
        let seen = scenario.proxy.deliveries().all().len();
        scenario.acts();
        let bob = scenario.join("bob").await;
        let carol = scenario.join("carol").await;
        scenario.leave(&[&bob]).await;
        // LiveKit tries the first of the webhooks at once, after one second, and two seconds later.
        scenario.proxy.deliveries().until("two attempts", seen + 2, |_| true).await;
        scenario.proxy.set_fault(WebhookFault::None);
        scenario.becomes_right(name, &[&alice, &carol], 4 * AT_ONCE).await;
        scenario.leave(&[&carol]).await;
        scenario.settles(&[&alice]).await;
    }
}

#[tokio::test]
async fn a_participant_who_comes_back_to_a_crashed_livekit_drives_out_the_dead() {
    for (name, redis) in [("crash without Redis", false), ("crash with Redis", true)] {
        let Some(mut scenario) = Plan { redis, ..Plan::named(name) }.start().await else { return };
        let bob = scenario.join_apart("bob").await;
        let alice = scenario.join("alice").await;
        scenario.settles(&[&alice, &bob]).await;
        // LiveKit gives the start of a room in whole seconds, so a session from just before may belong to it.
        scenario.time_passes(Duration::from_secs(3)).await;
        let reconnects = alice.reconnects().await;
        bob.kill().await;
        scenario.livekit.kill().await;
        scenario.livekit.start_again().await;
        // The SDK finds out by itself that its session has ended, and starts another.
        scenario.acts();
        alice.until_reconnected(reconnects).await;
        scenario.becomes_right("somebody comes back", &[&alice], AT_ONCE).await;
    }
}

#[tokio::test]
async fn webhooks_are_taken_from_either_key() {
    let Some(mut scenario) = Plan::named("webhook key switched").start().await else { return };
    let alice = scenario.join("alice").await;
    scenario.becomes_right("first key", &[&alice], AT_ONCE).await;
    scenario.leave(&[&alice]).await;
    scenario.settles(&[]).await;
    scenario.livekit.kill().await;
    scenario.livekit.settings.webhook_key = Key::Second;
    scenario.livekit.start_again().await;
    scenario.acts();
    let bob = scenario.join("bob").await;
    scenario.becomes_right("second key", &[&bob], AT_ONCE).await;
    let signer = |identity| {
        let joined =
            scenario.proxy.deliveries().matching(|one| one.is("participant_joined", identity));
        joined[0].key.clone()
    };
    assert_eq!(["alice", "bob"].map(signer), ["APIfirst", "APIsecond"]);
}
