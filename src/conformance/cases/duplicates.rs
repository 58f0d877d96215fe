//! Webhooks that come more than once: LiveKit repeats one whose answer was lost, and anybody who saw one can send it again.

use futures_util::future::try_join_all;
use serde_json::json;

use crate::conformance::{
    case::{Judged, cases, ensure},
    person::{Person, Track},
    room::Room,
    shown::Shown,
    webhook::Webhook,
};

cases! {
    Duplicates
    "join", "DESIGN 3.1",
    "A join that comes twice is taken twice, and shows one person." => |room| {
        let alice = room.person("alice");
        let joined = alice.joined();
        room.post_all(&[joined.clone(), joined]).await?;
        room.shows(&[&alice]).await
    }
    "join-under-another-id", "DESIGN 3.2",
    "A join that comes again under another id shows one person." => |room| {
        let alice = room.person("alice");
        let joined = alice.joined();
        room.post_all(&[joined.clone(), joined.with_new_id()]).await?;
        room.shows(&[&alice]).await
    }
    "join-without-an-id", "livekit_webhook.proto",
    "A join without an id that comes twice shows one person." => |room| {
        let alice = room.person("alice");
        let joined = alice.joined().without("id");
        room.post_all(&[joined.clone(), joined]).await?;
        room.shows(&[&alice]).await
    }
    "join-ten-times-at-once", "DESIGN 3.1",
    "A join that comes ten times at the same time shows one person." => |room| {
        let alice = room.person("alice");
        let joined = alice.joined();
        try_join_all((0..10).map(|_| room.post(&joined))).await?;
        room.shows(&[&alice]).await
    }
    "leave", "DESIGN 3.1",
    "A leave that comes twice is taken twice." => |room| {
        let (alice, bob) = (room.person("alice"), room.person("bob"));
        let left = alice.left();
        room.post_all(&[alice.joined(), bob.joined(), left.clone(), left]).await?;
        room.shows(&[&bob]).await
    }
    "join-after-leaving", "DESIGN 3.1",
    "A join that comes again after its leave brings nobody back." => |room| {
        let alice = room.person("alice");
        let joined = alice.joined();
        room.post_all(&[joined.clone(), alice.left(), joined]).await?;
        room.shows(&[]).await
    }
    "join-after-leaving-under-another-id", "DESIGN 3.2",
    "A join that comes again after its leave, under another id, brings nobody back." => |room| {
        let alice = room.person("alice");
        let joined = alice.joined();
        room.post_all(&[joined.clone(), alice.left(), joined.with_new_id()]).await?;
        room.shows(&[]).await
    }
    "join-after-the-end-of-the-room", "DESIGN 3.5",
    "A join that comes again after the end of its room brings nobody back." => |room| {
        let alice = room.person("alice");
        let joined = alice.joined();
        room.post_all(&[joined.clone(), room.opening().finished(), joined.with_new_id()]).await?;
        room.shows(&[]).await
    }
    "join-of-the-replaced-session", "DESIGN 3.2",
    "A join that comes again of a session which was replaced does not bring that back." => |room| {
        let alice = room.person("alice");
        let (joined, again) = (alice.joined(), alice.again());
        room.post_all(&[joined.clone(), again.joined(), joined.with_new_id()]).await?;
        room.shows(&[&again]).await
    }
    "leave-after-coming-back", "DESIGN 3.3",
    "A leave that comes again after its person came back takes nobody away." => |room| {
        let alice = room.person("alice");
        let (left, again) = (alice.left(), alice.again());
        room.post_all(&[alice.joined(), left.clone(), again.joined(), left.with_new_id()]).await?;
        room.shows(&[&again]).await
    }
    "published", "DESIGN 3.4",
    "A track that is published twice is one." => |room| {
        let (alice, camera) = (room.person("alice"), Track::camera());
        let published = alice.published(&camera);
        room.post_all(&[alice.joined(), published.clone(), published.with_new_id()]).await?;
        room.shows_tracks(&alice, &[camera.sid()]).await
    }
    "published-after-unpublished", "DESIGN 3.4",
    "A track that was unpublished stays so when its beginning comes again." => |room| {
        let (alice, camera) = (room.person("alice"), Track::camera());
        let published = alice.published(&camera);
        room.post_all(&[alice.joined(), published.clone(), alice.unpublished(&camera), published.with_new_id()]).await?;
        room.shows_tracks(&alice, &[]).await
    }
    "unpublished", "DESIGN 3.4",
    "The end of a track that comes twice ends no other." => |room| {
        let (alice, camera, microphone) = (room.person("alice"), Track::camera(), Track::microphone());
        let ended = alice.unpublished(&camera);
        room.post_all(&[alice.joined(), alice.published(&camera), alice.published(&microphone)]).await?;
        room.post_all(&[ended.clone(), ended.with_new_id()]).await?;
        room.shows_tracks(&alice, &[microphone.sid()]).await
    }
    "start", "DESIGN 3.5",
    "A start that comes again takes nobody away who joined since." => |room| {
        let (started, alice) = (room.opening().started(), room.person("alice"));
        room.post_all(&[started.clone(), alice.joined(), started.with_new_id()]).await?;
        room.shows(&[&alice]).await
    }
    "finish", "DESIGN 3.5",
    "An end that comes again takes nobody away who is in the next life." => |room| {
        let finished = room.opening().finished();
        room.post_all(&[room.person("gone").joined(), finished.clone()]).await?;
        let later = room.open_again();
        let alice = room.person_in(&later, "alice");
        room.post_all(&[later.started(), alice.joined(), finished.with_new_id()]).await?;
        room.shows(&[&alice]).await
    }
    "everything-twice", "DESIGN 3.1",
    "A whole story that is told twice ends as it ended the first time." => |room| {
        let (alice, bob, camera) = (room.person("alice"), room.person("bob"), Track::camera());
        let story = [room.opening().started(), alice.joined(), bob.joined(), bob.published(&camera), alice.left()];
        room.post_all(&story).await?;
        room.post_all(&story).await?;
        room.shows_tracks(&bob, &[camera.sid()]).await
    }
    "everything-backwards", "DESIGN 3.2",
    "A whole story that is told again backwards, under other ids, ends as it ended the first time." => |room| {
        let (alice, bob, camera) = (room.person("alice"), room.person("bob"), Track::camera());
        let story = [alice.joined(), bob.joined(), bob.published(&camera), bob.unpublished(&camera), alice.left()];
        room.post_all(&story).await?;
        let backwards: Vec<Webhook> = story.iter().rev().map(Webhook::with_new_id).collect();
        room.post_all(&backwards).await?;
        room.shows_tracks(&bob, &[]).await
    }
    "tag-of-the-list", "DESIGN 3.6",
    "What changes nothing gives the list no other ETag." => |room| {
        let alice = room.person("alice");
        let joined = alice.joined();
        room.post(&joined).await?;
        room.settled().await?;
        tag_stays(&room, &[joined.clone(), joined.with_new_id()]).await
    }
    "stream" [Streams], "DESIGN 3.6",
    "What changes nothing is not sent to subscribers." => |room| {
        let alice = room.person("alice");
        let joined = alice.joined();
        room.post(&joined).await?;
        room.settled().await?;
        is_not_sent(&room, &[joined.clone(), joined.with_new_id()]).await
    }
    "same-id-in-another-room", "DESIGN 3.1",
    "An event of one room does not repeat one of another." => |room| {
        let other = room.other("-other");
        let (here, there) = (room.person("alice"), other.person("alice"));
        let id = json!("EV_".to_owned() + here.sid());
        room.post(&here.joined().with("id", id.clone())).await?;
        other.post(&there.joined().with("id", id)).await?;
        room.shows(&[&here]).await?;
        other.shows(&[&there]).await
    }
}

/// That the list has the same tag before and after these.
pub(super) async fn tag_stays(room: &Room, webhooks: &[Webhook]) -> Judged {
    let tag = super::get_caching::tag_of(&room.get(&[]).await?)?;
    room.post_all(webhooks).await?;
    let after = super::get_caching::tag_of(&room.get(&[]).await?)?;
    ensure(tag == after, || format!("the ETag was {tag} and is {after}"))
}

/// That nothing comes on a stream of these, up to somebody who joins after them.
pub(super) async fn is_not_sent(room: &Room, webhooks: &[Webhook]) -> Judged {
    let mut stream = room.stream().await?;
    let (_, first) = stream.list().await?;
    room.post_all(webhooks).await?;
    let last: Person = room.mark().await?;
    let lists = stream.lists_until(&last).await?;
    let silent = lists.iter().all(|list| list.has(last.sid()));
    ensure(silent && lists.last().is_some_and(|list| list.len() == first.len() + 1), || {
        format!(
            "{} lists came, of which the last has {} people",
            lists.len(),
            lists.last().map_or(0, Shown::len)
        )
    })
}
