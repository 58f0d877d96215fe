//! Streams: their heads, and what comes when.

use axum::http::Method;

use crate::conformance::{
    case::{cases, ensure},
    person::{Person, Track},
    shown::Shown,
};

cases! {
    Sse
    "heartbeat", "HTML, 9.2.7",
    "A stream on which nothing happens shows in time (`--silence`) that it is alive, before a proxy cuts it." => |room| {
        let mut stream = room.stream().await?;
        stream.list().await?;
        let limit = room.target().silence;
        let is_alive = stream.writes_within(limit).await;
        ensure(is_alive, || format!("nothing was written for {limit:?}"))
    }
    "content-type", "HTML, 9.2.2",
    "A stream is `text/event-stream`; browsers refuse anything else." => |room| {
        let stream = room.stream().await?;
        let kind = stream.header("content-type").split(';').next().unwrap_or_default().trim().to_owned();
        ensure(kind.eq_ignore_ascii_case("text/event-stream"), || format!("it is {kind:?}"))
    }
    "charset", "HTML, 9.2.6",
    "A stream is UTF-8: if its type has a charset, it is that one." => |room| {
        let stream = room.stream().await?;
        let kind = stream.header("content-type").to_lowercase();
        let is_right = kind.split_once("charset=").is_none_or(|(_, charset)| charset.trim_matches('"').starts_with("utf-8"));
        ensure(is_right, || format!("the type is {kind:?}"))
    }
    "not-stored", "RFC 9111, 5.2.2.5",
    "No cache keeps a stream: its `Cache-Control` says `no-store` or `no-cache`." => |room| {
        let stream = room.stream().await?;
        let control = stream.header("cache-control").to_owned();
        ensure(control.contains("no-store") || control.contains("no-cache"), || format!("it is {control:?}"))
    }
    "not-transformed", "RFC 9111, 5.2.2.6",
    "No proxy packs or rewrites a stream: its `Cache-Control` says `no-transform`." => |room| {
        let stream = room.stream().await?;
        let control = stream.header("cache-control").to_owned();
        ensure(control.contains("no-transform"), || format!("it is {control:?}"))
    }
    "not-buffered", "nginx ngx_http_proxy_module (proxy_buffering)",
    "nginx buffers no stream: its `X-Accel-Buffering` says `no`." => |room| {
        let stream = room.stream().await?;
        let said = stream.header("x-accel-buffering").to_owned();
        ensure(said == "no", || format!("it is {said:?}"))
    }
    "not-packed", "RFC 9110, 8.4",
    "A stream is not packed, also for a client that could unpack it: what is packed is held back." => |room| {
        let stream = room.stream_with(&[("accept-encoding", b"gzip, deflate, br, zstd")]).await?;
        let encoding = stream.header("content-encoding").to_owned();
        ensure(encoding.is_empty() || encoding == "identity", || format!("it is {encoding:?}"))
    }
    "no-length", "RFC 9110, 8.6",
    "A stream has no `Content-Length`." => |room| {
        let stream = room.stream().await?;
        let length = stream.header("content-length").to_owned();
        ensure(length.is_empty(), || format!("it has {length} bytes"))
    }
    "list-at-once", "DESIGN 6",
    "A stream begins with the list, without waiting for a change." => |room| {
        let alice = room.person("alice");
        room.post(&alice.joined()).await?;
        room.shown_when(|shown| shown.len() == 1).await?;
        room.stream().await?.list().await?.1.are(&[&alice])
    }
    "empty-list-at-once", "DESIGN 6",
    "A stream begins with an empty list where nobody is: a page that waits cannot tell that from an error." => |room| {
        room.stream().await?.list().await?.1.are(&[])
    }
    "join", "DESIGN 6",
    "When somebody joins, subscribers are sent the list." => |room| {
        let (mut stream, alice) = (room.stream().await?, room.person("alice"));
        stream.list().await?;
        room.post(&alice.joined()).await?;
        stream.lists_until(&alice).await?.pop().map_or(Ok(()), |list| list.are(&[&alice]))
    }
    "leave", "DESIGN 6",
    "When somebody leaves, subscribers are sent the list." => |room| {
        let (alice, bob) = (room.person("alice"), room.person("bob"));
        room.post_all(&[alice.joined(), bob.joined()]).await?;
        let mut stream = room.stream().await?;
        stream.lists_until(&bob).await?;
        room.post(&alice.left()).await?;
        let lists = stream.lists_until_so(|list| !list.has(alice.sid())).await?;
        lists.last().map_or(Ok(()), |list| list.are(&[&bob]))
    }
    "last-leave", "DESIGN 6",
    "When the last one leaves, subscribers are sent an empty list." => |room| {
        let alice = room.person("alice");
        room.post(&alice.joined()).await?;
        let mut stream = room.stream().await?;
        stream.lists_until(&alice).await?;
        room.post(&alice.left()).await?;
        stream.lists_until_so(|list| list.len() == 0).await.map(|_| ())
    }
    "track", "DESIGN 6",
    "When a track is published, and when it ends, subscribers are sent the list." => |room| {
        let (alice, camera) = (room.person("alice"), Track::camera());
        room.post(&alice.joined()).await?;
        let mut stream = room.stream().await?;
        stream.lists_until(&alice).await?;
        room.post(&alice.published(&camera)).await?;
        stream.lists_until_so(|list| list.tracks_of(alice.sid()) == [camera.sid()]).await?;
        room.post(&alice.unpublished(&camera)).await?;
        stream.lists_until_so(|list| list.tracks_of(alice.sid()).is_empty()).await.map(|_| ())
    }
    "end-of-the-room", "DESIGN 3.5",
    "When the room ends, subscribers are sent an empty list." => |room| {
        let alice = room.person("alice");
        room.post(&alice.joined()).await?;
        let mut stream = room.stream().await?;
        stream.lists_until(&alice).await?;
        room.post(&room.opening().finished()).await?;
        stream.lists_until_so(|list| list.len() == 0).await.map(|_| ())
    }
    "all-subscribers", "DESIGN 6",
    "Everybody who watches a room is sent the same." => |room| {
        let (mut one, mut two) = (room.stream().await?, room.stream().await?);
        one.list().await?;
        two.list().await?;
        let alice = room.person("alice");
        room.post(&alice.joined()).await?;
        let (of_one, of_two) = (one.lists_until(&alice).await?, two.lists_until(&alice).await?);
        ensure(of_one.last() == of_two.last(), || "two subscribers were sent different lists".to_owned())
    }
    "only-this-room", "DESIGN 7",
    "What happens in another room is not sent." => |room| {
        let other = room.other("-other");
        let mut stream = room.stream().await?;
        stream.list().await?;
        let (there, here) = (other.person("there"), room.person("here"));
        other.post(&there.joined()).await?;
        room.post(&here.joined()).await?;
        let lists = stream.lists_until(&here).await?;
        ensure(lists.iter().all(|list| !list.has(there.sid())), || "somebody of another room was sent".to_owned())
    }
    "many-changes", "DESIGN 6",
    "After many changes in a moment the last list is the right one." => |room| {
        let people: Vec<Person> = (0..40).map(|number| room.person(&format!("p{number:02}"))).collect();
        let mut stream = room.stream().await?;
        stream.list().await?;
        room.post_all(&people.iter().map(Person::joined).collect::<Vec<_>>()).await?;
        let lists = stream.lists_until_so(|list| list.len() == people.len()).await?;
        lists.last().map_or(Ok(()), |list| list.are_in_order(&people.iter().collect::<Vec<_>>()))
    }
    "never-backwards", "DESIGN 1 (version)",
    "No list is older than the one before: who has joined does not vanish and come again." => |room| {
        let people: Vec<Person> = (0..20).map(|number| room.person(&format!("p{number:02}"))).collect();
        let mut stream = room.stream().await?;
        stream.list().await?;
        room.post_all(&people.iter().map(Person::joined).collect::<Vec<_>>()).await?;
        let lists = stream.lists_until_so(|list| list.len() == people.len()).await?;
        let grows = lists.windows(2).all(|pair| pair[0].len() <= pair[1].len());
        ensure(grows, || format!("lists had {:?} people", lists.iter().map(Shown::len).collect::<Vec<_>>()))
    }
    "same-as-get", "DESIGN 6",
    "The list of a stream is that which GET answers." => |room| {
        let (alice, camera) = (room.person("alice"), Track::camera());
        room.post_all(&[alice.joined(), alice.published(&camera)]).await?;
        room.shown_when(|shown| shown.tracks_of(alice.sid()).len() == 1).await?;
        let (_, streamed) = room.stream().await?.list().await?;
        let got = room.shown().await?;
        ensure(streamed == got, || "they differ".to_owned())
    }
    "by-head", "RFC 9110, 9.3.2",
    "HEAD of a stream is answered, and ends." => |room| {
        let path = room.target().stream_path(room.name());
        let answer = room.ask(Method::HEAD, &path, &[]).await?;
        let status = answer.status().as_u16();
        ensure(status < 500, || format!("it was answered {status}"))
    }
    "without-a-room", "RFC 9110, 15.5.1",
    "A stream of no room is refused." => |room| {
        let path = room.target().stream_path("");
        let opened = room.target().open(&path, &[]).await.map_err(|error| error.to_string())?;
        let status = opened.status();
        ensure(status.is_client_error(), || format!("it was answered {}", status.as_u16()))
    }
}
