//! Webhooks in their order, and in another.

use futures_util::future::try_join_all;
use serde_json::json;

use crate::conformance::{
    case::{Judged, cases, ensure},
    person::{Person, Track},
    shown::Shown,
    webhook::{Opening, new_sid},
};

cases! {
    Order
    "join", "DESIGN 3.2",
    "Somebody who joined is in the list." => |room| {
        let alice = room.person("alice");
        room.post_all(&[room.opening().started(), alice.joined()]).await?;
        room.shows(&[&alice]).await
    }
    "leave", "DESIGN 3.3",
    "Somebody who left is not in the list." => |room| {
        let (alice, bob) = (room.person("alice"), room.person("bob"));
        room.post_all(&[alice.joined(), bob.joined(), alice.left()]).await?;
        room.shows(&[&bob]).await
    }
    "abort", "DESIGN 3.3",
    "`participant_connection_aborted` is a leave." => |room| {
        let (alice, bob) = (room.person("alice"), room.person("bob"));
        room.post_all(&[alice.joined(), bob.joined(), alice.aborted()]).await?;
        room.shows(&[&bob]).await
    }
    "by-time-of-joining", "DESIGN 1 (list)",
    "The list is in the order in which people joined." => |room| {
        let (zoe, adam, mia) = (room.person("zoe"), room.person("adam"), room.person("mia"));
        room.post_all(&[zoe.joined(), adam.joined(), mia.joined()]).await?;
        room.shows_in_order(&[&zoe, &adam, &mia]).await
    }
    "by-time-of-joining-not-of-arrival", "DESIGN 1 (list)",
    "The list is not in the order in which webhooks came." => |room| {
        let (first, second) = (room.person("first"), room.person("second"));
        room.post_all(&[second.joined(), first.joined()]).await?;
        room.shows_in_order(&[&first, &second]).await
    }
    "at-the-same-time-by-identity", "DESIGN 1 (list)",
    "Who joined in the same millisecond stands in the order of identities, so that the list does not jump." => |room| {
        let bob = room.person("bob");
        let alice = room.person("alice");
        let behind = i64::try_from(alice.joined_ms() - bob.joined_ms()).unwrap_or_default();
        let alice = alice.later_by(-behind);
        room.post_all(&[bob.joined(), alice.joined()]).await?;
        room.shows_in_order(&[&alice, &bob]).await
    }
    "leave-before-join", "DESIGN 3.2",
    "A join that comes after its own leave brings nobody back." => |room| {
        let alice = room.person("alice");
        room.post_all(&[alice.left(), alice.joined()]).await?;
        room.shows(&[]).await
    }
    "abort-before-join", "livekit/livekit pkg/rtc/participant.go",
    "A join that comes after its own abort brings nobody back." => |room| {
        let alice = room.person("alice");
        room.post_all(&[alice.aborted(), alice.joined()]).await?;
        room.shows(&[]).await
    }
    "join-of-a-session-that-ended", "DESIGN 3.2",
    "A join whose state is DISCONNECTED is that of a session that ended." => |room| {
        let alice = room.person("alice").with("state", json!("DISCONNECTED"));
        room.post(&alice.joined()).await?;
        room.shows(&[]).await
    }
    "back-after-leaving", "DESIGN 3.3",
    "Who left and came back, with another sid, is in the list once." => |room| {
        let alice = room.person("alice");
        let again = alice.again();
        room.post_all(&[alice.joined(), alice.left(), again.joined()]).await?;
        room.shows(&[&again]).await
    }
    "replaced-by-a-newer-session", "DESIGN 3.2",
    "A newer session of an identity takes the place of the older one, whose leave is still to come." => |room| {
        let alice = room.person("alice");
        let again = alice.again();
        room.post_all(&[alice.joined(), again.joined()]).await?;
        room.shows(&[&again]).await
    }
    "leave-of-the-replaced-session", "DESIGN 3.3",
    "The leave of the older session does not take the newer one away: it is about a sid, not about an identity." => |room| {
        let alice = room.person("alice");
        let again = alice.again();
        room.post_all(&[alice.joined(), again.joined(), alice.left()]).await?;
        room.shows(&[&again]).await
    }
    "abort-of-a-second-session", "DESIGN 3.3",
    "A second attempt that is aborted does not take the first session away." => |room| {
        let alice = room.person("alice");
        let attempt = alice.again();
        room.post_all(&[alice.joined(), attempt.aborted()]).await?;
        room.shows(&[&alice]).await
    }
    "late-join-of-an-older-session", "DESIGN 3.2",
    "The join of an older session that comes late does not replace the newer one." => |room| {
        let alice = room.person("alice");
        let again = alice.again();
        room.post_all(&[again.joined(), alice.joined()]).await?;
        room.shows(&[&again]).await
    }
    "older-session-stays-gone", "DESIGN 3.2",
    "An older session does not come back when the newer one leaves." => |room| {
        let alice = room.person("alice");
        let again = alice.again();
        room.post_all(&[again.joined(), alice.joined(), again.left()]).await?;
        room.shows(&[]).await
    }
    "track-before-join", "DESIGN 3.4",
    "A track that is published before its publisher joined is there when they have." => |room| {
        let (alice, microphone) = (room.person("alice"), Track::microphone());
        room.post_all(&[alice.published(&microphone), alice.joined()]).await?;
        room.shows_tracks(&alice, &[microphone.sid()]).await
    }
    "track-came-and-went-before-join", "DESIGN 3.4",
    "A track that is published and unpublished before its publisher joined is not shown." => |room| {
        let (alice, microphone) = (room.person("alice"), Track::microphone());
        room.post_all(&[alice.published(&microphone), alice.unpublished(&microphone), alice.joined()]).await?;
        room.shows_tracks(&alice, &[]).await
    }
    "unpublished-before-published", "DESIGN 3.4",
    "A track whose end comes before its beginning is not shown." => |room| {
        let (alice, camera) = (room.person("alice"), Track::camera());
        room.post_all(&[alice.joined(), alice.unpublished(&camera), alice.published(&camera)]).await?;
        room.shows_tracks(&alice, &[]).await
    }
    "track-after-leave", "DESIGN 3.4",
    "A track of somebody who left brings nobody back." => |room| {
        let (alice, camera) = (room.person("alice"), Track::camera());
        room.post_all(&[alice.joined(), alice.left(), alice.published(&camera)]).await?;
        room.shows(&[]).await
    }
    "track-of-the-replaced-session", "DESIGN 3.4",
    "A track of the older session is none of the newer one." => |room| {
        let (alice, camera) = (room.person("alice"), Track::camera());
        let again = alice.again();
        room.post_all(&[alice.joined(), again.joined(), alice.published(&camera)]).await?;
        room.shows_tracks(&again, &[]).await
    }
    "finish-before-leaves", "livekit/livekit pkg/service/roommanager.go",
    "Leaves that come after the room's end change nothing any more." => |room| {
        let (alice, bob) = (room.person("alice"), room.person("bob"));
        room.post_all(&[alice.joined(), bob.joined(), room.opening().finished(), bob.left(), alice.left()]).await?;
        room.shows(&[]).await
    }
    "late-start", "DESIGN 3.5",
    "A start that comes late takes nobody away who joined after it." => |room| {
        let alice = room.person("alice");
        room.post_all(&[alice.joined(), room.opening().started()]).await?;
        room.shows(&[&alice]).await
    }
    "start-told-a-second-late", "DESIGN 3.5",
    "A start is told in seconds, and may be told a second late: who joined just before it stays." => |room| {
        let alice = room.person("alice").later_by(-1_900);
        room.post_all(&[alice.joined(), room.opening().started()]).await?;
        room.shows(&[&alice]).await
    }
    "start-of-the-life-before", "DESIGN 3.5",
    "A start of an earlier life takes nobody away who is in a later one." => |room| {
        let before = room.opening().started();
        let later = room.open_again();
        let alice = room.person_in(&later, "alice");
        room.post_all(&[later.started(), alice.joined(), before]).await?;
        room.shows(&[&alice]).await
    }
    "late-finish-of-the-life-before", "DESIGN 3.5",
    "The end of an earlier life takes nobody away who is in a later one." => |room| {
        let (old, gone) = (room.opening().finished(), room.person("gone"));
        room.post_all(&[room.opening().started(), gone.joined()]).await?;
        let later = room.open_again();
        let alice = room.person_in(&later, "alice");
        room.post_all(&[later.started(), alice.joined(), old]).await?;
        room.shows(&[&alice]).await
    }
    "newer-description", "DESIGN 3.8",
    "A join that comes again with a higher version says what is newer." => |room| {
        let alice = room.person("alice");
        let renamed = alice.clone().with("name", json!("Alice II")).with("version", json!(3));
        room.post_all(&[alice.joined(), renamed.joined()]).await?;
        name_is(&room.settled().await?, &alice, "Alice II")
    }
    "older-description", "DESIGN 3.8",
    "A join that comes again with a lower version says nothing new." => |room| {
        let alice = room.person("alice").with("name", json!("Alice II")).with("version", json!(3));
        let before = alice.clone().with("name", json!("Alice I")).with("version", json!(2));
        room.post_all(&[alice.joined(), before.joined()]).await?;
        name_is(&room.settled().await?, &alice, "Alice II")
    }
    "many-out-of-order", "DESIGN 3",
    "Of twenty people whose webhooks come in any order, those are inside who did not leave." => |room| {
        let people: Vec<Person> = (0..20).map(|number| room.person(&format!("p{number:02}"))).collect();
        let joins = people.iter().map(Person::joined);
        let leaves = people.iter().step_by(2).map(Person::left);
        let mut webhooks: Vec<_> = joins.chain(leaves).collect();
        fastrand::Rng::with_seed(19).shuffle(&mut webhooks);
        room.post_all(&webhooks).await?;
        room.shows_in_order(&people.iter().skip(1).step_by(2).collect::<Vec<_>>()).await
    }
    "all-at-once", "DESIGN 4",
    "Of twenty people whose webhooks come at the same time, everybody is inside." => |room| {
        let people: Vec<Person> = (0..20).map(|number| room.person(&format!("p{number:02}"))).collect();
        let webhooks: Vec<_> = people.iter().map(Person::joined).collect();
        try_join_all(webhooks.iter().map(|webhook| room.post(webhook))).await?;
        room.shows(&people.iter().collect::<Vec<_>>()).await
    }
    "rooms-are-apart", "DESIGN 1 (room)",
    "What happens in one room changes no other, whoever is in both." => |room| {
        let other = room.other("-other");
        let (here, there) = (room.person("alice"), other.person("alice"));
        room.post_all(&[here.joined(), there.joined(), there.left(), other.opening().finished()]).await?;
        room.shows(&[&here]).await?;
        other.shows(&[]).await
    }
    "names-of-rooms-are-exact", "livekit_models.proto (Room.name)",
    "Rooms whose names differ in the case of a letter are two." => |room| {
        let other = room.other("-X");
        let third = room.other("-x");
        let alice = other.person("alice");
        other.post(&alice.joined()).await?;
        third.shows(&[]).await
    }
    "same-sid-in-two-lives", "livekit/livekit: rooms keep their sid in Redis",
    "A room's sid may come again: it does not keep anybody out." => |room| {
        let later = room.open_again();
        let same = Opening { sid: room.opening().sid.clone(), ..later };
        let (before, alice) = (room.person("before"), room.person_in(&same, "alice"));
        room.post_all(&[before.joined(), room.opening().finished(), same.started(), alice.joined()]).await?;
        room.shows(&[&alice]).await
    }
    "id-of-any-form", "livekit_webhook.proto",
    "An id is any text: one that is 200 letters long does not disturb." => |room| {
        let alice = room.person("alice");
        let long = alice.joined().with("id", json!(format!("{}{}", new_sid("EV_"), "x".repeat(180))));
        room.post(&long).await?;
        room.shows(&[&alice]).await
    }
}

fn name_is(shown: &Shown, person: &Person, name: &str) -> Judged {
    let shown = shown.of(person.sid()).map(|one| one["name"].clone()).unwrap_or_default();
    ensure(shown == name, || format!("the name is {shown} instead of {name:?}"))
}
