//! People whom nobody may see, and others who look like them.

use serde_json::json;

use crate::conformance::{
    case::{Judged, cases, ensure},
    person::Track,
    room::Room,
    webhook::TURN_PASSWORD,
};

use super::duplicates::{is_not_sent, tag_stays};

cases! {
    Hidden
    "hidden", "livekit_models.proto (ParticipantPermission.hidden)",
    "Somebody who is hidden is not shown." => |room| {
        let (alice, ghost) = (room.person("alice"), room.person("ghost").with_permission("hidden", json!(true)));
        room.post_all(&[alice.joined(), ghost.joined()]).await?;
        room.shows(&[&alice]).await
    }
    "recorder", "livekit_models.proto (ParticipantPermission.recorder)",
    "A recorder is not shown." => |room| {
        let (alice, recorder) = (room.person("alice"), room.person("EG_x").with_permission("recorder", json!(true)));
        room.post_all(&[alice.joined(), recorder.joined()]).await?;
        room.shows(&[&alice]).await
    }
    "egress", "livekit_models.proto (ParticipantInfo.Kind)",
    "An egress is not shown, whatever its permissions are." => |room| {
        let (alice, egress) = (room.person("alice"), room.person("EG_x").with("kind", json!("EGRESS")));
        room.post_all(&[alice.joined(), egress.joined()]).await?;
        room.shows(&[&alice]).await
    }
    "egress-as-a-number", "protojson: an enum may be a number",
    "An egress whose kind is written as a number is not shown." => |room| {
        let (alice, egress) = (room.person("alice"), room.person("EG_x").with("kind", json!(2)));
        room.post_all(&[alice.joined(), egress.joined()]).await?;
        room.shows(&[&alice]).await
    }
    "hidden-agent", "livekit_models.proto (ParticipantPermission.hidden)",
    "An agent that is hidden is not shown either." => |room| {
        let agent = room.person("agent").with("kind", json!("AGENT")).with_permission("hidden", json!(true));
        room.post(&agent.joined()).await?;
        room.shows(&[]).await
    }
    "track-of-the-hidden", "DESIGN 7",
    "The tracks of somebody who is hidden do not show them." => |room| {
        let (ghost, camera) = (room.person("ghost").with_permission("hidden", json!(true)), Track::camera());
        room.post_all(&[ghost.joined(), ghost.published(&camera)]).await?;
        room.shows(&[]).await
    }
    "track-before-the-hidden", "DESIGN 3.4",
    "The tracks of somebody who is hidden do not show them either if they come before their join." => |room| {
        let (ghost, camera) = (room.person("ghost").with_permission("hidden", json!(true)), Track::camera());
        room.post_all(&[ghost.published(&camera), ghost.joined()]).await?;
        room.shows(&[]).await
    }
    "leave-of-the-hidden", "DESIGN 3.3",
    "When somebody leaves who is hidden, nobody else does." => |room| {
        let (alice, ghost) = (room.person("alice"), room.person("ghost").with_permission("hidden", json!(true)));
        room.post_all(&[alice.joined(), ghost.joined(), ghost.left()]).await?;
        room.shows(&[&alice]).await
    }
    "hidden-then-shown", "DESIGN 3.8",
    "Who is described anew, and is hidden no longer, is shown." => |room| {
        let alice = room.person("alice");
        let ghost = alice.clone().with_permission("hidden", json!(true)).with("version", json!(1));
        room.post_all(&[ghost.joined(), alice.joined()]).await?;
        room.shows(&[&alice]).await
    }
    "shown-then-hidden", "DESIGN 3.8",
    "Who is described anew, and is hidden now, is shown no longer." => |room| {
        let alice = room.person("alice");
        let ghost = alice.clone().with_permission("hidden", json!(true)).with("version", json!(3));
        room.post_all(&[alice.joined(), ghost.joined()]).await?;
        room.shows(&[]).await
    }
    "not-hidden", "livekit_models.proto (ParticipantPermission.hidden)",
    "Somebody of whom it is said that they are not hidden is shown." => |room| {
        let alice = room.person("alice").with_permission("hidden", json!(false)).with_permission("recorder", json!(false));
        room.post(&alice.joined()).await?;
        room.shows(&[&alice]).await
    }
    "who-may-do-nothing", "livekit_models.proto (ParticipantPermission)",
    "Somebody who may do nothing is shown: to look on is not to hide." => |room| {
        let alice = room.person("alice").with("permission", json!({}));
        room.post(&alice.joined()).await?;
        room.shows(&[&alice]).await
    }
    "agent", "livekit_models.proto (ParticipantInfo.Kind)",
    "An agent is shown, and as an agent." => |room| {
        is_shown_as(&room, "AGENT").await
    }
    "telephone", "livekit_models.proto (ParticipantInfo.Kind)",
    "Somebody on a telephone is shown, and as that." => |room| {
        is_shown_as(&room, "SIP").await
    }
    "ingress", "livekit_models.proto (ParticipantInfo.Kind)",
    "What comes by an ingress is shown, and as that." => |room| {
        is_shown_as(&room, "INGRESS").await
    }
    "tag-of-the-list", "DESIGN 3.6",
    "Who is hidden changes no ETag, by which they could be guessed." => |room| {
        let ghost = room.person("ghost").with_permission("hidden", json!(true));
        room.post(&room.person("alice").joined()).await?;
        room.settled().await?;
        tag_stays(&room, &[ghost.joined(), ghost.left()]).await
    }
    "stream" [Streams], "DESIGN 7",
    "Of somebody who is hidden nothing is sent to subscribers." => |room| {
        let ghost = room.person("ghost").with_permission("hidden", json!(true));
        room.post(&room.person("alice").joined()).await?;
        room.settled().await?;
        is_not_sent(&room, &[ghost.joined(), ghost.published(&Track::camera()), ghost.left()]).await
    }
    "password-of-the-room", "DESIGN 7",
    "The password of the room's TURN server, which webhooks have, reaches no reader." => |room| {
        let alice = room.person("alice");
        room.post_all(&[room.opening().started(), alice.joined()]).await?;
        room.shows(&[&alice]).await?;
        let answer = room.get(&[]).await?;
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        ensure(!text.contains(TURN_PASSWORD), || "it is in the list".to_owned())
    }
}

async fn is_shown_as(room: &Room, kind: &str) -> Judged {
    let somebody = room.person("somebody").with("kind", json!(kind));
    room.post(&somebody.joined()).await?;
    let shown = room.settled().await?;
    shown.are(&[&somebody])?;
    let of_person = shown.of(somebody.sid()).map(|one| one["kind"].clone()).unwrap_or_default();
    ensure(of_person == kind, || format!("the kind is {of_person} instead of {kind:?}"))
}
