//! What webhooks alone make right, as long as all of them arrive.

use std::time::Duration;

use futures_util::future::join_all;

use super::scenario::{Client, Guest, Key, Mood, Plan, ROOM, Source, Stage};

/// A webhook is here within milliseconds; the rest is a busy machine. Less than reconcile would need.
const AT_ONCE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_join_a_track_and_a_leave_are_seen_at_once() {
    let Some(mut stage) = Plan::named("one participant").set().await else { return };
    stage.acts();
    let alice = stage.join("alice").await;
    stage.becomes_right("join", &[&alice], AT_ONCE).await;
    stage.acts();
    let microphone = alice.publish(Source::Microphone).await;
    stage.becomes_right("publish audio", &[&alice], AT_ONCE).await;
    stage.acts();
    alice.publish(Source::Camera).await;
    stage.becomes_right("publish video", &[&alice], AT_ONCE).await;
    stage.acts();
    alice.unpublish(&microphone).await;
    stage.becomes_right("unpublish", &[&alice], AT_ONCE).await;
    stage.leave(&[&alice]).await;
    stage.becomes_right("leave", &[], AT_ONCE).await;
}

#[tokio::test]
async fn a_killed_client_is_gone_when_livekit_notices() {
    let Some(mut stage) = Plan::named("killed client").set().await else { return };
    let alice = stage.join("alice").await;
    let bob = stage.join_apart("bob").await;
    bob.publish(Source::Microphone).await;
    stage.settles(&[&alice, &bob]).await;
    stage.acts();
    bob.kill().await;
    // Ten seconds until ICE is disconnected, five until it has failed, five until LiveKit cleans up.
    stage.becomes_right("", &[&alice], Duration::from_secs(40)).await;
    let left = stage.proxy.deliveries().matching(|one| one.is("participant_left", "bob"));
    assert_eq!(left[0].reason, "CONNECTION_TIMEOUT");
}

#[tokio::test]
async fn the_newest_session_of_an_identity_is_shown() {
    let Some(mut stage) = Plan::named("duplicate identity").set().await else { return };
    let first = stage.join("alice").await;
    first.publish(Source::Microphone).await;
    stage.settles(&[&first]).await;
    stage.acts();
    let second = stage.join("alice").await;
    stage.becomes_right("", &[&second], AT_ONCE).await;
    let left = stage.proxy.deliveries().matching(|one| one.is("participant_left", "alice"));
    assert_eq!(left[0].reason, "DUPLICATE_IDENTITY");
}

#[tokio::test]
async fn a_resumed_session_is_shown_throughout() {
    let Some(mut stage) = Plan::named("resume").set().await else { return };
    let alice = stage.join("alice").await;
    alice.publish(Source::Camera).await;
    stage.settles(&[&alice]).await;
    let webhooks = stage.proxy.deliveries().all().len();
    let before = alice.person().await.unwrap();
    stage.acts();
    comes_back(&alice, "resume").await;
    stage.stays_right("", &[&alice], Duration::from_secs(3)).await;
    assert_eq!(alice.person().await.unwrap(), before);
    assert_eq!(stage.proxy.deliveries().all().len(), webhooks, "LiveKit says nothing of it");
}

#[tokio::test]
async fn a_session_that_starts_anew_replaces_the_old_one_with_its_tracks() {
    let Some(mut stage) = Plan::named("new session").set().await else { return };
    let alice = stage.join("alice").await;
    let bob = stage.join("bob").await;
    alice.publish(Source::Microphone).await;
    alice.publish(Source::Camera).await;
    stage.settles(&[&alice, &bob]).await;
    for scenario in ["full-reconnect", "failed-resume", "node-failure", "migration"] {
        let before = alice.person().await.unwrap();
        stage.acts();
        comes_back(&alice, scenario).await;
        stage.becomes_right(scenario, &[&alice, &bob], AT_ONCE).await;
        let after = alice.person().await.unwrap();
        assert_ne!(before.sid, after.sid, "{scenario}");
        assert_eq!(after.tracks.len(), 2, "{scenario}");
    }
    stage.acts();
    alice.simulate("server-leave").await;
    stage.becomes_right("server leave", &[&bob], AT_ONCE).await;
}

/// Plays a scenario and waits until the client says that it is connected again.
async fn comes_back(client: &Client, scenario: &str) {
    let before = client.reconnects().await;
    client.simulate(scenario).await;
    client.until_reconnected(before).await;
}

#[tokio::test]
async fn who_is_removed_is_gone_at_once() {
    let Some(mut stage) = Plan::named("removed by the API").set().await else { return };
    let alice = stage.join("alice").await;
    let bob = stage.join("bob").await;
    let carol = stage.join("carol").await;
    bob.publish(Source::Microphone).await;
    stage.settles(&[&alice, &bob, &carol]).await;
    stage.acts();
    stage.api().remove_participant(ROOM, "bob").await.done();
    stage.becomes_right("RemoveParticipant", &[&alice, &carol], AT_ONCE).await;
    stage.acts();
    stage.api().delete_room(ROOM).await.done();
    stage.becomes_right("DeleteRoom", &[], AT_ONCE).await;
    let reason = |identity| {
        let left = stage.proxy.deliveries().matching(|one| one.is("participant_left", identity));
        left[0].reason.clone()
    };
    assert_eq!(["bob", "carol"].map(reason), ["PARTICIPANT_REMOVED", "ROOM_DELETED"]);
}

#[tokio::test]
async fn who_comes_hidden_is_never_shown() {
    let Some(mut stage) = Plan::named("hidden from the start").set().await else { return };
    let alice = stage.join("alice").await;
    stage.settles(&[&alice]).await;
    stage.acts();
    let ghost = Guest { hidden: true, ..Stage::guest("watcher") };
    let watcher = stage.join_as(ghost).await;
    watcher.publish(Source::Microphone).await;
    stage
        .proxy
        .deliveries()
        .until("their track", 1, |one| one.is("track_published", "watcher"))
        .await;
    stage.stays_right("", &[&alice], Duration::from_secs(1)).await;
}

#[tokio::test]
async fn thirty_come_and_go_at_once() {
    let Some(mut stage) = Plan::named("thirty at once").set().await else { return };
    let identities: Vec<_> = (0..30).map(|number| format!("guest-{number:02}")).collect();
    stage.acts();
    let thirty = join_all(identities.iter().map(|identity| stage.join(identity))).await;
    let inside: Vec<_> = thirty.iter().collect();
    stage.becomes_right("there", &inside, 4 * AT_ONCE).await;
    stage.leave(&inside).await;
    stage.becomes_right("gone", &[], 2 * AT_ONCE).await;
}

#[tokio::test]
async fn what_is_refused_for_seconds_comes_later_and_in_order() {
    let Some(mut stage) = Plan::named("webhooks refused for seconds").set().await else { return };
    let alice = stage.join("alice").await;
    stage.settles(&[&alice]).await;
    for (name, mood) in [
        ("503", Mood::Refuse(503)),
        ("no answer", Mood::Close),
        ("lost answers", Mood::LoseAnswer),
        ("late", Mood::Delay(Duration::from_millis(1_500))),
    ] {
        stage.proxy.set(mood);
        let seen = stage.proxy.deliveries().all().len();
        stage.acts();
        let bob = stage.join("bob").await;
        let carol = stage.join("carol").await;
        stage.leave(&[&bob]).await;
        // The first of the webhooks is tried at once, after one second, and two seconds later.
        stage.proxy.deliveries().until("two attempts", seen + 2, |_| true).await;
        stage.proxy.set(Mood::Pass);
        stage.becomes_right(name, &[&alice, &carol], 4 * AT_ONCE).await;
        stage.leave(&[&carol]).await;
        stage.settles(&[&alice]).await;
    }
}

#[tokio::test]
async fn whoever_comes_back_to_a_crashed_livekit_drives_out_the_dead() {
    for (name, redis) in [("crash without Redis", false), ("crash with Redis", true)] {
        let Some(mut stage) = Plan { redis, ..Plan::named(name) }.set().await else { return };
        let bob = stage.join_apart("bob").await;
        let alice = stage.join("alice").await;
        stage.settles(&[&alice, &bob]).await;
        // LiveKit says in whole seconds when a room started, so whoever joined just before that may be of it.
        stage.time_passes(Duration::from_secs(3)).await;
        let reconnects = alice.reconnects().await;
        bob.kill().await;
        stage.livekit.kill().await;
        stage.livekit.start_again().await;
        // The SDK finds out by itself that its session is no more, and starts another.
        stage.acts();
        alice.until_reconnected(reconnects).await;
        stage.becomes_right("somebody comes back", &[&alice], AT_ONCE).await;
    }
}

#[tokio::test]
async fn webhooks_are_taken_from_either_key() {
    let Some(mut stage) = Plan::named("webhook key switched").set().await else { return };
    let alice = stage.join("alice").await;
    stage.becomes_right("first key", &[&alice], AT_ONCE).await;
    stage.leave(&[&alice]).await;
    stage.settles(&[]).await;
    stage.livekit.kill().await;
    stage.livekit.settings.webhook_key = Key::Second;
    stage.livekit.start_again().await;
    stage.acts();
    let bob = stage.join("bob").await;
    stage.becomes_right("second key", &[&bob], AT_ONCE).await;
    let signer = |identity| {
        let joined =
            stage.proxy.deliveries().matching(|one| one.is("participant_joined", identity));
        joined[0].key.clone()
    };
    assert_eq!(["alice", "bob"].map(signer), ["APIfirst", "APIsecond"]);
}
