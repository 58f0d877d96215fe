//! Webhooks that never come: LiveKit drops those that it cannot deliver within half a minute, and says nothing.

use serde_json::json;

use crate::conformance::{
    case::{cases, ensure},
    person::Track,
    webhook::Opening,
};

cases! {
    Loss
    "start", "DESIGN 3.5",
    "Who joins a room whose start was lost is shown." => |room| {
        let alice = room.person("alice");
        room.post(&alice.joined()).await?;
        room.shows(&[&alice]).await
    }
    "join-before-track", "DESIGN 3.4",
    "A track of somebody who is not known shows nobody: half a person helps no one." => |room| {
        room.post(&room.person("alice").published(&Track::camera())).await?;
        room.shows(&[]).await
    }
    "join-before-leave", "DESIGN 3.3",
    "A leave of somebody who is not known is taken, and shows nobody." => |room| {
        room.post(&room.person("alice").left()).await?;
        room.shows(&[]).await
    }
    "join-before-abort", "DESIGN 3.3",
    "An abort of somebody who is not known is taken, and shows nobody: most of them never joined." => |room| {
        room.post(&room.person("alice").aborted()).await?;
        room.shows(&[]).await
    }
    "join-of-the-session-before", "DESIGN 3.3",
    "A leave of an earlier session, of which nothing was heard, leaves the present one inside." => |room| {
        let alice = room.person("alice");
        let again = alice.again();
        room.post_all(&[again.joined(), alice.left()]).await?;
        room.shows(&[&again]).await
    }
    "leave-before-finish", "DESIGN 3.5",
    "The end of a room takes those along whose leaves were lost." => |room| {
        let (alice, bob) = (room.person("alice"), room.person("bob"));
        room.post_all(&[room.opening().started(), alice.joined(), bob.joined(), room.opening().finished()]).await?;
        room.shows(&[]).await
    }
    "leave-and-finish", "DESIGN 3.5",
    "The start of a room takes those along of whose end nothing was heard: LiveKit crashed." => |room| {
        let alice = room.person("alice");
        room.post_all(&[room.opening().started(), alice.joined()]).await?;
        room.post(&room.open_again().started()).await?;
        room.shows(&[]).await
    }
    "leave-and-finish-with-the-same-sid", "livekit/livekit: rooms keep their sid in Redis",
    "The start of a room takes those along of whose end nothing was heard, also if it has its old sid." => |room| {
        let alice = room.person("alice");
        room.post_all(&[room.opening().started(), alice.joined()]).await?;
        let later = Opening { sid: room.opening().sid.clone(), ..room.open_again() };
        room.post(&later.started()).await?;
        room.shows(&[]).await
    }
    "everything-between-two-lives", "DESIGN 3.5",
    "Those who join the later life are shown, and those of the earlier one are not." => |room| {
        let (alice, bob) = (room.person("alice"), room.person("bob"));
        room.post_all(&[room.opening().started(), alice.joined(), bob.joined()]).await?;
        let later = room.open_again();
        let again = room.person_in(&later, "alice");
        room.post_all(&[later.started(), again.joined()]).await?;
        room.shows(&[&again]).await
    }
    "start-of-the-later-life", "DESIGN 3.5",
    "Who joins a later life whose start was lost is shown." => |room| {
        let alice = room.person("alice");
        room.post_all(&[room.opening().started(), alice.joined(), room.opening().finished()]).await?;
        let later = room.open_again();
        let bob = room.person_in(&later, "bob");
        room.post(&bob.joined()).await?;
        room.shows(&[&bob]).await
    }
    "finish-and-start", "DESIGN 3.2",
    "Where the end of one life and the start of the next were lost, who comes back is in the list once." => |room| {
        let alice = room.person("alice");
        room.post(&alice.joined()).await?;
        let again = room.person_in(&room.open_again(), "alice");
        room.post(&again.joined()).await?;
        room.shows(&[&again]).await
    }
    "everything-but-the-finish", "DESIGN 3.5",
    "The end of a room of which nothing was heard is taken." => |room| {
        room.post(&room.opening().finished()).await?;
        room.shows(&[]).await
    }
    "publication", "DESIGN 3.4",
    "A track ends of whose beginning nothing was heard: nothing is wrong with its publisher." => |room| {
        let alice = room.person("alice");
        room.post_all(&[alice.joined(), alice.unpublished(&Track::camera())]).await?;
        room.shows_tracks(&alice, &[]).await
    }
    "publication-before-join", "livekit_models.proto (ParticipantInfo.tracks)",
    "Tracks that a join has are shown, though their own webhooks never come." => |room| {
        let camera = Track::camera();
        let alice = room.person("alice").with("tracks", json!([camera.0]));
        room.post(&alice.joined()).await?;
        room.shows_tracks(&alice, &[camera.sid()]).await
    }
    "end-of-a-track", "DESIGN 3.3",
    "Who leaves takes their tracks along, and comes back without them." => |room| {
        let (alice, camera) = (room.person("alice"), Track::camera());
        let again = alice.again();
        room.post_all(&[alice.joined(), alice.published(&camera), alice.left(), again.joined()]).await?;
        room.shows_tracks(&again, &[]).await
    }
    "end-of-a-track-and-leave", "DESIGN 3.2",
    "Who is replaced by a session of their own is shown without the tracks of the older one." => |room| {
        let (alice, camera) = (room.person("alice"), Track::camera());
        let again = alice.again();
        room.post_all(&[alice.joined(), alice.published(&camera), again.joined()]).await?;
        room.shows_tracks(&again, &[]).await
    }
    "details-of-a-leave", "livekit_webhook.proto",
    "A leave that has nothing but the sid and the identity is one." => |room| {
        let alice = room.person("alice");
        let bare = json!({"sid": alice.sid(), "identity": alice.identity()});
        room.post_all(&[alice.joined(), alice.left().with("participant", bare)]).await?;
        room.shows(&[]).await
    }
    "room-of-a-leave", "livekit_webhook.proto",
    "A leave whose room has nothing but its name is one." => |room| {
        let alice = room.person("alice");
        let brief = json!({"name": room.name()});
        room.post_all(&[alice.joined(), alice.left().with("room", brief)]).await?;
        room.shows(&[]).await
    }
    "all-but-the-last", "DESIGN 3",
    "After everything else was lost, the last webhooks are right by themselves." => |room| {
        let (alice, bob, camera) = (room.person("alice"), room.person("bob"), Track::camera());
        room.post_all(&[alice.unpublished(&camera), alice.left(), bob.joined()]).await?;
        let shown = room.settled().await?;
        shown.are(&[&bob])?;
        ensure(shown.tracks_of(bob.sid()).is_empty(), || "somebody has a track of another".to_owned())
    }
}
