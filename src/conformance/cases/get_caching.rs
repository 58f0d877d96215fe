//! What caches and clients that ask again do with lists.

use axum::http::{Method, Response};
use hyper::body::Bytes;

use crate::conformance::{
    case::{Judged, cases, ensure},
    person::Track,
    room::Room,
    shown::Shown,
};

use super::get::header;

cases! {
    Get
    "etag", "RFC 9110, 8.8.3",
    "A list has an ETag, in quotes, weak or strong." => |room| {
        tag_of(&room.get(&[]).await?).map(|_| ())
    }
    "etag-stays", "RFC 9110, 8.8.3",
    "The ETag is the same as long as the list is." => |room| {
        super::duplicates::tag_stays(&room, &[]).await
    }
    "etag-changes", "RFC 9110, 8.8.3",
    "Another list has another ETag." => |room| {
        let before = tag_of(&room.get(&[]).await?)?;
        room.post(&room.person("alice").joined()).await?;
        room.shown_when(|shown| shown.len() == 1).await?;
        let after = tag_of(&room.get(&[]).await?)?;
        ensure(before != after, || format!("it is {after} before and after"))
    }
    "etag-changes-with-a-track", "RFC 9110, 8.8.3",
    "A list in which there is one more track has another ETag." => |room| {
        let alice = room.person("alice");
        room.post(&alice.joined()).await?;
        room.settled().await?;
        let before = tag_of(&room.get(&[]).await?)?;
        room.post(&alice.published(&Track::camera())).await?;
        room.shown_when(|shown| shown.tracks_of(alice.sid()).len() == 1).await?;
        let after = tag_of(&room.get(&[]).await?)?;
        ensure(before != after, || format!("it is {after} before and after"))
    }
    "not-modified", "RFC 9110, 15.4.5",
    "Who has the list is answered 304." => |room| {
        let tag = tag_of(&room.get(&[]).await?)?;
        is_answered(&room, &tag, 304).await
    }
    "not-modified-has-no-body", "RFC 9110, 15.4.5",
    "304 has no body." => |room| {
        let answer = not_modified(&room).await?;
        ensure(answer.body().is_empty(), || format!("it has {} bytes", answer.body().len()))
    }
    "not-modified-has-the-etag", "RFC 9110, 15.4.5",
    "304 has the ETag." => |room| {
        let answer = not_modified(&room).await?;
        tag_of(&answer).map(|_| ())
    }
    "not-modified-has-the-cache-control", "RFC 9110, 15.4.5",
    "304 has the `Cache-Control` that 200 would have." => |room| {
        let (whole, answer) = (room.get(&[]).await?, not_modified(&room).await?);
        let (of_whole, own) = (header(&whole, "cache-control"), header(&answer, "cache-control"));
        ensure(of_whole == own, || format!("it is {own:?} instead of {of_whole:?}"))
    }
    "modified", "RFC 9110, 13.1.2",
    "Who has an older list is sent the new one." => |room| {
        let before = tag_of(&room.get(&[]).await?)?;
        let alice = room.person("alice");
        room.post(&alice.joined()).await?;
        room.shown_when(|shown| shown.len() == 1).await?;
        let answer = room.get(&[("if-none-match", before.as_bytes())]).await?;
        Shown::read(answer.body())?.are(&[&alice])
    }
    "weak-comparison", "RFC 9110, 13.1.2",
    "A proxy that packs makes a tag weak, and it counts all the same." => |room| {
        let tag = tag_of(&room.get(&[]).await?)?;
        let other = tag.strip_prefix("W/").map_or_else(|| format!("W/{tag}"), str::to_owned);
        is_answered(&room, &other, 304).await
    }
    "several-tags", "RFC 9110, 13.1.2",
    "A client may name several lists that it has." => |room| {
        let tag = tag_of(&room.get(&[]).await?)?;
        is_answered(&room, &format!("\"conformance-1\", {tag} , W/\"conformance-2\""), 304).await
    }
    "any-tag", "RFC 9110, 13.1.2",
    "`If-None-Match: *` is any list, and is answered 304." => |room| {
        room.post(&room.person("alice").joined()).await?;
        room.shown_when(|shown| shown.len() == 1).await?;
        is_answered(&room, "*", 304).await
    }
    "unknown-tag", "RFC 9110, 13.1.2",
    "Who names a tag that never was is sent the list." => |room| {
        is_answered(&room, "\"conformance\"", 200).await
    }
    "tag-without-quotes", "RFC 9110, 8.8.3",
    "Who names something that is not a tag is sent the list." => |room| {
        is_answered(&room, "conformance", 200).await
    }
    "tag-of-another-room", "RFC 9110, 8.8.3",
    "A tag is of one room: where lists differ, that of another is not known here." => |room| {
        let other = room.other("-other");
        other.post(&other.person("alice").joined()).await?;
        other.shown_when(|shown| shown.len() == 1).await?;
        room.post(&room.person("bob").joined()).await?;
        room.shown_when(|shown| shown.len() == 1).await?;
        let tag = tag_of(&other.get(&[]).await?)?;
        is_answered(&room, &tag, 200).await
    }
    "cache-control", "RFC 9111, 5.2.2",
    "No cache answers without asking: `Cache-Control` says `no-cache`, `no-store` or `max-age=0`." => |room| {
        let control = header(&room.get(&[]).await?, "cache-control");
        let asks = ["no-cache", "no-store", "max-age=0"].iter().any(|one| control.contains(one));
        ensure(asks && !control.contains("public"), || format!("it is {control:?}"))
    }
    "head", "RFC 9110, 9.3.2",
    "HEAD is answered as GET is, without a body." => |room| {
        let answer = head(&room).await?;
        let status = answer.status().as_u16();
        ensure(status == 200 && answer.body().is_empty(), || {
            format!("it was answered {status} with {} bytes", answer.body().len())
        })
    }
    "head-has-the-etag", "RFC 9110, 9.3.2",
    "HEAD has the ETag of GET." => |room| {
        room.post(&room.person("alice").joined()).await?;
        room.shown_when(|shown| shown.len() == 1).await?;
        let (of_get, of_head) = (tag_of(&room.get(&[]).await?)?, tag_of(&head(&room).await?)?);
        ensure(of_get == of_head, || format!("it is {of_head} instead of {of_get}"))
    }
    "head-not-modified", "RFC 9110, 13.1.2",
    "HEAD by who has the list is answered 304." => |room| {
        let tag = tag_of(&room.get(&[]).await?)?;
        let path = room.target().list_path(room.name());
        let answer = room.ask(Method::HEAD, &path, &[("if-none-match", tag.as_bytes())]).await?;
        ensure(answer.status() == 304, || format!("it was answered {}", answer.status().as_u16()))
    }
    "if-modified-since", "RFC 9110, 13.1.3",
    "A list has no date: who says one is sent it." => |room| {
        let answer = room.get(&[("if-modified-since", b"Fri, 01 Jan 2100 00:00:00 GMT")]).await?;
        ensure(answer.status() == 200, || format!("it was answered {}", answer.status().as_u16()))
    }
}

/// The tag of a list.
pub(super) fn tag_of(answer: &Response<Bytes>) -> Result<String, String> {
    let tag = header(answer, "etag");
    let opaque = tag.strip_prefix("W/").unwrap_or(&tag).strip_prefix('"');
    let is_one = opaque.and_then(|one| one.strip_suffix('"')).is_some_and(|one| !one.contains('"'));
    if is_one { Ok(tag) } else { Err(format!("the ETag is {tag:?}")) }
}

async fn not_modified(room: &Room) -> Result<Response<Bytes>, String> {
    let tag = tag_of(&room.get(&[]).await?)?;
    let answer = room.get(&[("if-none-match", tag.as_bytes())]).await?;
    let status = answer.status().as_u16();
    ensure(status == 304, || format!("it was answered {status}"))?;
    Ok(answer)
}

async fn is_answered(room: &Room, if_none_match: &str, expected: u16) -> Judged {
    let answer = room.get(&[("if-none-match", if_none_match.as_bytes())]).await?;
    let status = answer.status().as_u16();
    ensure(status == expected, || format!("it was answered {status}"))
}

async fn head(room: &Room) -> Result<Response<Bytes>, String> {
    room.ask(Method::HEAD, &room.target().list_path(room.name()), &[]).await
}
