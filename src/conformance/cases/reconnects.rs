//! Clients that were cut off and come back, as each `EventSource` does by itself.

use futures_util::future::try_join_all;

use crate::conformance::{
    case::{Judged, cases, ensure},
    room::Room,
};

cases! {
    Reconnects
    "nothing-new", "HTML, 9.2.4",
    "Who comes back with the id of the newest list is not sent it again." => |room| {
        room.post(&room.person("alice").joined()).await?;
        room.shown_when(|shown| shown.len() == 1).await?;
        let mut again = room.stream_after(&last_id(&room).await?).await?;
        let bob = room.person("bob");
        room.post(&bob.joined()).await?;
        let lists = again.lists_until(&bob).await?;
        ensure(lists.len() == 1, || format!("{} lists came", lists.len()))
    }
    "join-meanwhile", "HTML, 9.2.4",
    "Who comes back after somebody joined is sent the list at once." => |room| {
        let (alice, bob) = (room.person("alice"), room.person("bob"));
        room.post(&alice.joined()).await?;
        room.shown_when(|shown| shown.len() == 1).await?;
        let id = last_id(&room).await?;
        room.post(&bob.joined()).await?;
        room.shown_when(|shown| shown.len() == 2).await?;
        room.stream_after(&id).await?.list().await?.1.are(&[&alice, &bob])
    }
    "leave-meanwhile", "HTML, 9.2.4",
    "Who comes back after somebody left is sent the list at once." => |room| {
        let (alice, bob) = (room.person("alice"), room.person("bob"));
        room.post_all(&[alice.joined(), bob.joined()]).await?;
        room.shown_when(|shown| shown.len() == 2).await?;
        let id = last_id(&room).await?;
        room.post(&bob.left()).await?;
        room.shown_when(|shown| shown.len() == 1).await?;
        room.stream_after(&id).await?.list().await?.1.are(&[&alice])
    }
    "end-meanwhile", "DESIGN 3.5",
    "Who comes back after the room ended is sent an empty list." => |room| {
        room.post(&room.person("alice").joined()).await?;
        room.shown_when(|shown| shown.len() == 1).await?;
        let id = last_id(&room).await?;
        room.post(&room.opening().finished()).await?;
        room.shown_when(|shown| shown.len() == 0).await?;
        room.stream_after(&id).await?.list().await?.1.are(&[])
    }
    "several-changes-meanwhile", "DESIGN 6",
    "Who comes back after ten changes is sent the newest list first." => |room| {
        let people: Vec<_> = (0..10).map(|number| room.person(&format!("p{number}"))).collect();
        let id = last_id(&room).await?;
        for person in &people {
            room.post(&person.joined()).await?;
        }
        room.shown_when(|shown| shown.len() == people.len()).await?;
        room.stream_after(&id).await?.list().await?.1.are(&people.iter().collect::<Vec<_>>())
    }
    "goes-on", "HTML, 9.2.4",
    "Who came back is sent what happens then." => |room| {
        let id = last_id(&room).await?;
        let mut again = room.stream_after(&id).await?;
        let alice = room.person("alice");
        room.post(&alice.joined()).await?;
        again.lists_until(&alice).await.map(|_| ())
    }
    "without-an-id", "HTML, 9.2.4",
    "Who comes without an id is sent the list." => |room| {
        drop(room.stream().await?);
        room.stream().await?.list().await.map(|_| ())
    }
    "empty-id", "HTML, 9.2.4",
    "Who comes with an empty id is sent the list." => |room| {
        is_sent_the_list(&room, b"").await
    }
    "id-of-nothing", "DESIGN 3.12",
    "Who comes with an id that never was is sent the list." => |room| {
        is_sent_the_list(&room, b"conformance").await
    }
    "id-below-all", "DESIGN 3.12",
    "Who comes with a negative number as the id is sent the list." => |room| {
        is_sent_the_list(&room, b"-1").await
    }
    "id-zero", "DESIGN 3.12",
    "Who comes with zero as the id is sent the list." => |room| {
        is_sent_the_list(&room, b"0").await
    }
    "id-above-all", "DESIGN 3.12",
    "Who comes with an id above all that ever was is sent the list." => |room| {
        is_sent_the_list(&room, b"18446744073709551615").await
    }
    "id-beyond-numbers", "DESIGN 3.12",
    "Who comes with an id that fits into no number is sent the list." => |room| {
        is_sent_the_list(&room, &[b'9'; 400]).await
    }
    "id-that-is-no-text", "RFC 9110, 5.5",
    "Who comes with an id of bytes that are not text is sent the list." => |room| {
        is_sent_the_list(&room, b"\xff\xfe1").await
    }
    "id-of-another-room", "DESIGN 3.12",
    "Who comes with the id of another room's list is sent this room's." => |room| {
        let other = room.other("-other");
        other.post(&other.person("somebody").joined()).await?;
        other.shown_when(|shown| shown.len() == 1).await?;
        let id = last_id(&other).await?;
        is_sent_the_list(&room, id.as_bytes()).await
    }
    "nobody-else-is-harmed", "DESIGN 3.12",
    "An id above all that ever was has no other subscriber sent anything." => |room| {
        let mut watching = room.stream().await?;
        watching.list().await?;
        room.stream_after("18446744073709551615").await?.list().await?;
        let alice = room.person("alice");
        room.post(&alice.joined()).await?;
        let lists = watching.lists_until(&alice).await?;
        ensure(lists.len() == 1, || format!("{} lists came", lists.len()))
    }
    "again-and-again", "DESIGN 6",
    "Who is cut off twenty times has the right list each time." => |room| {
        let alice = room.person("alice");
        room.post(&alice.joined()).await?;
        room.shown_when(|shown| shown.len() == 1).await?;
        for _ in 0..20 {
            room.stream().await?.list().await?.1.are(&[&alice])?;
        }
        Ok(())
    }
    "others-are-cut-off", "DESIGN 6",
    "Who stays is sent everything while others are cut off." => |room| {
        let mut staying = room.stream().await?;
        staying.list().await?;
        let others = try_join_all((0..10).map(|_| room.stream())).await?;
        drop(others);
        let alice = room.person("alice");
        room.post(&alice.joined()).await?;
        staying.lists_until(&alice).await.map(|_| ())
    }
    "all-at-once", "DESIGN 6",
    "When twenty come back at the same time, all have the same list." => |room| {
        let alice = room.person("alice");
        room.post(&alice.joined()).await?;
        room.shown_when(|shown| shown.len() == 1).await?;
        let streams = try_join_all((0..20).map(|_| room.stream())).await?;
        for mut stream in streams {
            stream.list().await?.1.are(&[&alice])?;
        }
        Ok(())
    }
    "id-rises", "DESIGN 1 (version)",
    "Where ids are numbers they only rise, also from one stream to the next." => |room| {
        let before = last_id(&room).await?;
        room.post(&room.person("alice").joined()).await?;
        room.shown_when(|shown| shown.len() == 1).await?;
        let after = last_id(&room).await?;
        let numbers = before.parse::<u64>().ok().zip(after.parse::<u64>().ok());
        ensure(numbers.is_none_or(|(before, after)| before < after), || format!("{after} came after {before}"))
    }
}

/// The id of the newest list.
async fn last_id(room: &Room) -> Result<String, String> {
    let (event, _) = room.stream().await?.list().await?;
    event.id.ok_or_else(|| "lists have no id".to_owned())
}

/// A client that comes with this id gets the list of the one person inside.
async fn is_sent_the_list(room: &Room, id: &[u8]) -> Judged {
    let alice = room.person("alice");
    room.post(&alice.joined()).await?;
    room.shown_when(|shown| shown.len() == 1).await?;
    let mut stream = room.stream_with(&[("last-event-id", id)]).await?;
    stream.list().await?.1.are(&[&alice])
}
