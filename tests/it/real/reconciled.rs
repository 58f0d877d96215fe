//! Changes that no webhook tells, and webhooks that never arrive: subscribers are right once the service has asked LiveKit.

use std::time::Duration;

use serde_json::json;

use crate::harness::ATTEMPTS;

use super::scenario::{Delivery, Plan, ROOM, Scenario, Source, WebhookFault};

/// A watched room is compared with LiveKit's list every 20 s, or 30 s if it is quiet; a busy machine needs a little more.
const RECONCILED: Duration = Duration::from_secs(40);

#[tokio::test]
async fn a_mute_is_seen() {
    let Some(mut scenario) = Plan::named("mute").start().await else { return };
    let alice = scenario.join("alice").await;
    let microphone = alice.publish(Source::Microphone).await;
    scenario.settles(&[&alice]).await;
    scenario.acts();
    alice.mute(&microphone, true).await;
    alice.until_muted(&microphone, true).await;
    scenario.becomes_right("by the client", &[&alice], RECONCILED).await;
    scenario.acts();
    scenario.api().mute_track(ROOM, "alice", &microphone, false).await.done();
    alice.until_muted(&microphone, false).await;
    scenario.becomes_right("unmuted by the API", &[&alice], RECONCILED).await;
    scenario.acts();
    scenario.api().mute_track(ROOM, "alice", &microphone, true).await.done();
    alice.until_muted(&microphone, true).await;
    scenario.becomes_right("by the API", &[&alice], RECONCILED).await;
}

#[tokio::test]
async fn a_new_name_metadata_and_attributes_are_seen() {
    let Some(mut scenario) = Plan::named("profile").start().await else { return };
    let alice = scenario.join("alice").await;
    scenario.settles(&[&alice]).await;
    let update = json!({"name": "Alice", "metadata": "in a call", "attributes": {"hand": "up"}});
    scenario.acts();
    alice.update(update).await;
    alice.until("her new name", |me| me.name == "Alice" && me.attributes.len() == 1).await;
    scenario.becomes_right("changed by the client", &[&alice], RECONCILED).await;
    let update =
        json!({"name": "Alice B.", "metadata": "back", "attributes": {"hand": "", "seat": "1"}});
    scenario.acts();
    scenario.api().update_participant(ROOM, "alice", update).await.done();
    alice.until("her newer name", |me| me.name == "Alice B." && me.metadata == "back").await;
    scenario.becomes_right("changed by the API", &[&alice], RECONCILED).await;
}

#[tokio::test]
async fn a_participant_goes_when_hidden_and_comes_back_when_shown() {
    let Some(mut scenario) = Plan::named("hidden").start().await else { return };
    let alice = scenario.join("alice").await;
    let bob = scenario.join("bob").await;
    bob.publish(Source::Microphone).await;
    scenario.settles(&[&alice, &bob]).await;
    for (name, is_hidden) in [("switched on", true), ("switched off", false)] {
        let update = json!({"permission": {
            "can_subscribe": true, "can_publish": true, "can_publish_data": true, "hidden": is_hidden,
        }});
        scenario.acts();
        scenario.api().update_participant(ROOM, "bob", update).await.done();
        let shown = if is_hidden { vec![&alice] } else { vec![&alice, &bob] };
        scenario.becomes_right(name, &shown, RECONCILED).await;
    }
}

#[tokio::test]
async fn a_participant_who_may_no_longer_publish_is_shown_without_tracks() {
    let Some(mut scenario) = Plan::named("permission to publish withdrawn").start().await else {
        return;
    };
    let alice = scenario.join("alice").await;
    let microphone = alice.publish(Source::Microphone).await;
    scenario.settles(&[&alice]).await;
    let update = json!({"permission": {"can_subscribe": true, "can_publish": false}});
    scenario.acts();
    scenario.api().update_participant(ROOM, "alice", update).await.done();
    let ended = |one: &Delivery| one.is("track_unpublished", "alice");
    scenario.proxy.deliveries().until("the end of her track", 1, ended).await;
    // LiveKit does not tell her SDK, so she unpublishes what it still takes for published.
    alice.unpublish(&microphone).await;
    scenario.becomes_right("", &[&alice], RECONCILED).await;
}

#[tokio::test]
async fn the_service_comes_back_after_forty_seconds() {
    let Some(mut scenario) = Plan::named("service down for 40 s").start().await else { return };
    let alice = scenario.join("alice").await;
    let bob = scenario.join("bob").await;
    scenario.settles(&[&alice, &bob]).await;
    scenario.kill_service().await;
    scenario.leave(&[&bob]).await;
    alice.publish(Source::Microphone).await;
    let carol = scenario.join("carol").await;
    scenario.time_passes(Duration::from_secs(40)).await;
    let left = scenario.proxy.deliveries().matching(|one| one.is("participant_left", "bob"));
    assert_eq!(left.len(), ATTEMPTS, "LiveKit has given up: {left:?}");
    scenario.acts();
    scenario.start_service().await;
    scenario.becomes_right("", &[&alice, &carol], RECONCILED).await;
}

#[tokio::test]
async fn a_leave_that_livekit_gave_up_to_tell_is_found() {
    let Some(mut scenario) = Plan::named("missed leave").start().await else { return };
    let alice = scenario.join("alice").await;
    let bob = scenario.join("bob").await;
    scenario.settles(&[&alice, &bob]).await;
    scenario.proxy.set_fault(WebhookFault::Refuse(503));
    scenario.leave(&[&bob]).await;
    livekit_gives_up(&scenario, "participant_left", "bob").await;
    scenario.proxy.set_fault(WebhookFault::None);
    scenario.becomes_right("", &[&alice], RECONCILED).await;
}

#[tokio::test]
async fn a_join_that_livekit_gave_up_to_tell_is_found() {
    let Some(mut scenario) = Plan::named("missed join").start().await else { return };
    let alice = scenario.join("alice").await;
    scenario.settles(&[&alice]).await;
    scenario.proxy.set_fault(WebhookFault::Refuse(503));
    scenario.acts();
    let bob = scenario.join("bob").await;
    livekit_gives_up(&scenario, "participant_joined", "bob").await;
    scenario.proxy.set_fault(WebhookFault::None);
    scenario.becomes_right("", &[&alice, &bob], RECONCILED).await;
    scenario.acts();
    bob.publish(Source::Microphone).await;
    scenario.becomes_right("and then a track", &[&alice, &bob], RECONCILED).await;
}

async fn livekit_gives_up(scenario: &Scenario, event: &str, identity: &str) {
    let refused = |one: &Delivery| one.is(event, identity);
    scenario.proxy.deliveries().until("the last attempt", ATTEMPTS, refused).await;
}

#[tokio::test]
async fn a_room_is_right_though_no_webhook_ever_arrives() {
    let Some(mut scenario) = Plan::named("no webhook arrives").start().await else { return };
    scenario.proxy.set_fault(WebhookFault::Swallow);
    scenario.acts();
    let alice = scenario.join("alice").await;
    let bob = scenario.join("bob").await;
    alice.publish(Source::Camera).await;
    scenario.becomes_right("joins", &[&alice, &bob], RECONCILED).await;
    scenario.leave(&[&bob]).await;
    scenario.becomes_right("leave", &[&alice], RECONCILED).await;
}

/// With this setting LiveKit answers for a closed room with 503 after three seconds, not with an empty list.
#[tokio::test]
async fn a_room_is_right_where_its_node_is_asked_for_lists() {
    let plan = Plan::named("no webhook arrives, psrpc lists");
    let Some(mut scenario) = Plan { psrpc_lists: true, ..plan }.start().await else { return };
    scenario.proxy.set_fault(WebhookFault::Swallow);
    scenario.acts();
    let alice = scenario.join("alice").await;
    let bob = scenario.join("bob").await;
    scenario.becomes_right("joins", &[&alice, &bob], RECONCILED).await;
    scenario.leave(&[&bob]).await;
    scenario.becomes_right("leave", &[&alice], RECONCILED).await;
}

#[tokio::test]
async fn the_first_read_of_a_room_is_right_though_no_webhook_came_of_it() {
    let Some(scenario) = Plan::named("first read").start().await else { return };
    scenario.proxy.set_fault(WebhookFault::Swallow);
    let mut inside = Vec::new();
    for identity in ["alice", "bob"] {
        let mut guest = Scenario::guest(identity);
        "unwatched".clone_into(&mut guest.room);
        inside.push(scenario.join_as(guest).await.person().await.unwrap());
    }
    assert_eq!(scenario.read("unwatched").await, Ok(inside));
}
