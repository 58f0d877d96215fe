//! The bytes of streams: lines, frames, ids.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::conformance::{
    case::{Judged, cases, ensure},
    room::Room,
    stream::{Event, Stream},
};

/// More than what goes through a socket at once.
const LARGE_BYTES: usize = 256 * 1024;

cases! {
    Sse
    "retry", "HTML, 9.2.6",
    "A stream says in `retry:` when a client that was cut off comes back: after 100 to 60,000 milliseconds." => |room| {
        let mut stream = room.stream().await?;
        stream.list().await?;
        // It may come with the list, or before it.
        let millis = stream.retry.as_deref().and_then(|millis| millis.parse::<u64>().ok());
        ensure(millis.is_some_and(|millis| (100..=60_000).contains(&millis)), || format!("`retry:` is {:?}", stream.retry))
    }
    "id", "HTML, 9.2.6",
    "A list has an id, by which a client that comes back says what it has." => |room| {
        let (event, _) = room.stream().await?.list().await?;
        ensure(event.id.as_ref().is_some_and(|id| !id.is_empty()), || "it has none".to_owned())
    }
    "id-without-nul", "HTML, 9.2.6",
    "An id has no NUL, with which browsers would pass it over, and fits into a header." => |room| {
        let (event, _) = room.stream().await?.list().await?;
        let id = event.id.ok_or("it has none")?;
        ensure(id.bytes().all(|byte| (0x20..0x7f).contains(&byte)), || format!("it is {id:?}"))
    }
    "another-id-for-another-list", "DESIGN 1 (version)",
    "Different lists have different ids." => |room| {
        let (ids, lists) = ids_of_three(&room).await?;
        ensure(ids.len() == lists, || format!("{lists} lists have {} ids", ids.len()))
    }
    "same-id-for-all", "DESIGN 6",
    "The same list has the same id for everybody, so that a client may come back to another instance." => |room| {
        room.post(&room.person("alice").joined()).await?;
        room.shown_when(|shown| shown.len() == 1).await?;
        let (one, two) = (room.stream().await?.list().await?.0, room.stream().await?.list().await?.0);
        ensure(one.id.is_some() && one.id == two.id, || format!("they are {:?} and {:?}", one.id, two.id))
    }
    "same-name-for-all", "HTML, 9.2.6",
    "All lists come as events of one name, so that one listener gets them." => |room| {
        let (mut stream, alice) = (room.stream().await?, room.person("alice"));
        let first = stream.list().await?.0;
        room.post(&alice.joined()).await?;
        let second = stream.list().await?.0;
        ensure(first.name == second.name, || format!("they are {:?} and {:?}", first.name, second.name))
    }
    "one-line-of-data", "DESIGN 7",
    "A list is one line of data, for clients that know no more." => |room| {
        let event = event_with(&room, "one\ntwo\r\n\r\nthree").await?;
        ensure(event.data_lines == 1, || format!("it has {}", event.data_lines))
    }
    "data-is-json", "RFC 8259",
    "The data of each event is JSON." => |room| {
        let mut stream = room.stream().await?;
        stream.list().await?;
        room.post(&room.person("alice").joined()).await?;
        let event = stream.event().await?;
        let is_json = serde_json::from_str::<Value>(&event.data).is_ok();
        ensure(is_json, || format!("{:?} is none", event.data))
    }
    "known-fields-only", "HTML, 9.2.6",
    "Each line is a comment, or one of the fields `event`, `data`, `id` and `retry`." => |room| {
        let stream = stream_with(&room, "one\ntwo: x\nid: 7\n\nevent: x").await?;
        let text = String::from_utf8_lossy(&stream.raw).into_owned();
        let fields = ["", ":", "event:", "data:", "id:", "retry:"];
        let mut lines = text.split('\n').map(|line| line.trim_end_matches('\r'));
        let strange = lines.find(|line| !line.is_empty() && !fields[1..].iter().any(|field| line.starts_with(field)));
        ensure(strange.is_none(), || format!("there is the line {strange:?}"))
    }
    "line-breaks-in-texts", "HTML, 9.2.6",
    "Line breaks in texts break no event in two." => |room| {
        metadata_is_kept(&room, "a\nb\r\nc\rd\n\ne").await
    }
    "text-like-a-frame", "HTML, 9.2.6",
    "A text that looks like the end of an event and the beginning of another breaks none in two." => |room| {
        metadata_is_kept(&room, "\n\nevent: end\ndata: []\n\n").await
    }
    "line-separators-in-texts", "DESIGN 7",
    "U+2028, U+2029 and U+0085, at which many clients break lines, are never there as they are." => |room| {
        let stream = stream_with(&room, "a\u{2028}b\u{2029}c\u{85}d").await?;
        let text = String::from_utf8_lossy(&stream.raw).into_owned();
        ensure(!text.contains(['\u{2028}', '\u{2029}', '\u{85}']), || "one is".to_owned())?;
        Ok(())
    }
    "line-separators-are-kept", "RFC 8259, 7",
    "U+2028, U+2029 and U+0085 are in the texts that a client reads of a stream." => |room| {
        metadata_is_kept(&room, "a\u{2028}b\u{2029}c\u{85}d").await
    }
    "utf-8", "HTML, 9.2.6",
    "A stream is UTF-8 throughout, also where its letters have four bytes." => |room| {
        let stream = stream_with(&room, &"😀é".repeat(500)).await?;
        ensure(std::str::from_utf8(&stream.raw).is_ok(), || "it is not".to_owned())
    }
    "no-byte-order-mark", "RFC 8259, 8.1",
    "A stream begins without a mark of the byte order." => |room| {
        let stream = stream_with(&room, "x").await?;
        ensure(!stream.raw.starts_with(b"\xef\xbb\xbf"), || "it has one".to_owned())
    }
    "large-list", "DESIGN 6",
    "A list of 256 KiB comes whole." => |room| {
        let large: String = ('a'..='z').cycle().take(LARGE_BYTES).collect();
        metadata_is_kept(&room, &large).await
    }
    "large-list-of-wide-letters", "HTML, 9.2.6",
    "A list of 256 KiB whose letters have four bytes comes whole: none is cut in two." => |room| {
        metadata_is_kept(&room, &"😀".repeat(LARGE_BYTES / 4)).await
    }
}

/// The ids of three different lists, and how many lists these were.
async fn ids_of_three(room: &Room) -> Result<(BTreeSet<Option<String>>, usize), String> {
    let mut stream = room.stream().await?;
    let mut ids = BTreeSet::from([stream.list().await?.0.id]);
    for identity in ["alice", "bob"] {
        let somebody = room.person(identity);
        room.post(&somebody.joined()).await?;
        ids.insert(stream.list().await?.0.id);
    }
    Ok((ids, 3))
}

/// A stream of a room in which somebody has this metadata, read up to that list.
async fn stream_with(room: &Room, metadata: &str) -> Result<Stream, String> {
    let mut stream = room.stream().await?;
    stream.list().await?;
    let alice = room.person("alice").with("metadata", json!(metadata));
    room.post(&alice.joined()).await?;
    stream.lists_until(&alice).await?;
    Ok(stream)
}

async fn event_with(room: &Room, metadata: &str) -> Result<Event, String> {
    let mut stream = room.stream().await?;
    stream.list().await?;
    room.post(&room.person("alice").with("metadata", json!(metadata)).joined()).await?;
    Ok(stream.list().await?.0)
}

async fn metadata_is_kept(room: &Room, metadata: &str) -> Judged {
    let mut stream = room.stream().await?;
    stream.list().await?;
    let alice = room.person("alice").with("metadata", json!(metadata));
    room.post(&alice.joined()).await?;
    let shown = stream.lists_until(&alice).await?.pop();
    let found =
        shown.and_then(|shown| shown.of(alice.sid()).map(|one| one["metadata"] == metadata));
    ensure(found == Some(true), || "the metadata came out otherwise".to_owned())
}
