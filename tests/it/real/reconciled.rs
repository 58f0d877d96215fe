//! What no webhook says, or a webhook that never arrived: right once the service has asked LiveKit.

use std::time::Duration;

use serde_json::json;

use super::scenario::{Delivery, Mood, Plan, ROOM, Source, Stage};

/// A watched room is compared with LiveKit's list every 20 s, give or take the jitter; a busy machine needs a little more.
const RECONCILED: Duration = Duration::from_secs(30);

/// LiveKit tries five times, at 0, 1, 3, 7 and 15 s.
const ATTEMPTS: usize = 5;

#[tokio::test]
async fn a_mute_is_seen() {
    let Some(mut stage) = Plan::named("mute").set().await else { return };
    let alice = stage.join("alice").await;
    let microphone = alice.publish(Source::Microphone).await;
    stage.settles(&[&alice]).await;
    stage.acts();
    alice.mute(&microphone, true).await;
    alice.until_muted(&microphone, true).await;
    stage.becomes_right("by the client", &[&alice], RECONCILED).await;
    stage.acts();
    stage.api().mute_track(ROOM, "alice", &microphone, false).await.done();
    alice.until_muted(&microphone, false).await;
    stage.becomes_right("unmuted by the API", &[&alice], RECONCILED).await;
    stage.acts();
    stage.api().mute_track(ROOM, "alice", &microphone, true).await.done();
    alice.until_muted(&microphone, true).await;
    stage.becomes_right("by the API", &[&alice], RECONCILED).await;
}

#[tokio::test]
async fn a_new_name_metadata_and_attributes_are_seen() {
    let Some(mut stage) = Plan::named("profile").set().await else { return };
    let alice = stage.join("alice").await;
    stage.settles(&[&alice]).await;
    let update = json!({"name": "Alice", "metadata": "in a call", "attributes": {"hand": "up"}});
    stage.acts();
    alice.update(update).await;
    alice.until("her new name", |me| me.name == "Alice" && me.attributes.len() == 1).await;
    stage.becomes_right("changed by the client", &[&alice], RECONCILED).await;
    let update =
        json!({"name": "Alice B.", "metadata": "back", "attributes": {"hand": "", "seat": "1"}});
    stage.acts();
    stage.api().update_participant(ROOM, "alice", update).await.done();
    alice.until("her newer name", |me| me.name == "Alice B." && me.metadata == "back").await;
    stage.becomes_right("changed by the API", &[&alice], RECONCILED).await;
}

#[tokio::test]
async fn who_is_hidden_goes_and_who_is_no_longer_comes() {
    let Some(mut stage) = Plan::named("hidden").set().await else { return };
    let alice = stage.join("alice").await;
    let bob = stage.join("bob").await;
    bob.publish(Source::Microphone).await;
    stage.settles(&[&alice, &bob]).await;
    for (name, is_hidden) in [("switched on", true), ("switched off", false)] {
        let update = json!({"permission": {
            "can_subscribe": true, "can_publish": true, "can_publish_data": true, "hidden": is_hidden,
        }});
        stage.acts();
        stage.api().update_participant(ROOM, "bob", update).await.done();
        let shown = if is_hidden { vec![&alice] } else { vec![&alice, &bob] };
        stage.becomes_right(name, &shown, RECONCILED).await;
    }
}

#[tokio::test]
async fn who_may_no_longer_publish_is_shown_without_tracks() {
    let Some(mut stage) = Plan::named("permission to publish withdrawn").set().await else {
        return;
    };
    let alice = stage.join("alice").await;
    let microphone = alice.publish(Source::Microphone).await;
    stage.settles(&[&alice]).await;
    let update = json!({"permission": {"can_subscribe": true, "can_publish": false}});
    stage.acts();
    stage.api().update_participant(ROOM, "alice", update).await.done();
    let ended = |one: &Delivery| one.is("track_unpublished", "alice");
    stage.proxy.deliveries().until("the end of her track", 1, ended).await;
    // Her SDK is not told; it drops what it takes for published.
    alice.unpublish(&microphone).await;
    stage.becomes_right("", &[&alice], RECONCILED).await;
}

#[tokio::test]
async fn the_service_comes_back_after_forty_seconds() {
    let Some(mut stage) = Plan::named("service down for 40 s").set().await else { return };
    let alice = stage.join("alice").await;
    let bob = stage.join("bob").await;
    stage.settles(&[&alice, &bob]).await;
    stage.kill_service().await;
    stage.leave(&[&bob]).await;
    alice.publish(Source::Microphone).await;
    let carol = stage.join("carol").await;
    stage.time_passes(Duration::from_secs(40)).await;
    let left = stage.proxy.deliveries().matching(|one| one.is("participant_left", "bob"));
    assert_eq!(left.len(), ATTEMPTS, "LiveKit has given up: {left:?}");
    stage.acts();
    stage.start_service().await;
    stage.becomes_right("", &[&alice, &carol], RECONCILED).await;
}

#[tokio::test]
async fn a_leave_that_livekit_gave_up_to_tell_is_found() {
    let Some(mut stage) = Plan::named("missed leave").set().await else { return };
    let alice = stage.join("alice").await;
    let bob = stage.join("bob").await;
    stage.settles(&[&alice, &bob]).await;
    stage.proxy.set(Mood::Refuse(503));
    stage.leave(&[&bob]).await;
    livekit_gives_up(&stage, "participant_left", "bob").await;
    stage.proxy.set(Mood::Pass);
    stage.becomes_right("", &[&alice], RECONCILED).await;
}

#[tokio::test]
async fn a_join_that_livekit_gave_up_to_tell_is_found() {
    let Some(mut stage) = Plan::named("missed join").set().await else { return };
    let alice = stage.join("alice").await;
    stage.settles(&[&alice]).await;
    stage.proxy.set(Mood::Refuse(503));
    stage.acts();
    let bob = stage.join("bob").await;
    livekit_gives_up(&stage, "participant_joined", "bob").await;
    stage.proxy.set(Mood::Pass);
    stage.becomes_right("", &[&alice, &bob], RECONCILED).await;
    stage.acts();
    bob.publish(Source::Microphone).await;
    stage.becomes_right("and then a track", &[&alice, &bob], RECONCILED).await;
}

async fn livekit_gives_up(stage: &Stage, event: &str, identity: &str) {
    let refused = |one: &Delivery| one.is(event, identity);
    stage.proxy.deliveries().until("the last attempt", ATTEMPTS, refused).await;
}

#[tokio::test]
async fn a_room_is_right_though_no_webhook_ever_arrives() {
    let Some(mut stage) = Plan::named("no webhook arrives").set().await else { return };
    stage.proxy.set(Mood::Swallow);
    stage.acts();
    let alice = stage.join("alice").await;
    let bob = stage.join("bob").await;
    alice.publish(Source::Camera).await;
    stage.becomes_right("joins", &[&alice, &bob], RECONCILED).await;
    stage.leave(&[&bob]).await;
    stage.becomes_right("leave", &[&alice], RECONCILED).await;
}

/// With this setting a room that is closed is a 503 after three seconds, and not an empty list.
#[tokio::test]
async fn a_room_is_right_where_its_node_is_asked_for_lists() {
    let plan = Plan::named("no webhook arrives, psrpc lists");
    let Some(mut stage) = Plan { psrpc_lists: true, ..plan }.set().await else { return };
    stage.proxy.set(Mood::Swallow);
    stage.acts();
    let alice = stage.join("alice").await;
    let bob = stage.join("bob").await;
    stage.becomes_right("joins", &[&alice, &bob], RECONCILED).await;
    stage.leave(&[&bob]).await;
    stage.becomes_right("leave", &[&alice], RECONCILED).await;
}

#[tokio::test]
async fn the_first_read_of_a_room_is_right_though_no_webhook_came_of_it() {
    let Some(stage) = Plan::named("first read").set().await else { return };
    stage.proxy.set(Mood::Swallow);
    let mut inside = Vec::new();
    for identity in ["alice", "bob"] {
        let mut guest = Stage::guest(identity);
        "unwatched".clone_into(&mut guest.room);
        inside.push(stage.join_as(guest).await.person().await.unwrap());
    }
    assert_eq!(stage.read("unwatched").await, Ok(inside));
}
