//! Lists by GET: which room is meant, and what comes of it.

use axum::http::{Method, Response};
use hyper::body::Bytes;

use crate::conformance::{
    case::{Judged, cases, ensure},
    person::{Person, Track},
    room::Room,
    shown::Shown,
    target::encoded,
};

cases! {
    Get
    "content-type", "RFC 8259, 11",
    "A list is `application/json`." => |room| {
        let answer = room.get(&[]).await?;
        let kind = header(&answer, "content-type");
        ensure(kind.split(';').next().is_some_and(|kind| kind.trim() == "application/json"), || format!("it is {kind:?}"))
    }
    "unknown-room", "DESIGN 7",
    "The list of a room of which nothing was heard is empty, and no error: nobody is in it yet." => |room| {
        room.shown().await?.are(&[])
    }
    "everybody-left", "DESIGN 3.3",
    "The list of a room that everybody has left is empty." => |room| {
        let alice = room.person("alice");
        room.post_all(&[alice.joined(), alice.left()]).await?;
        room.shown_when(|shown| shown.len() == 0).await.map(|_| ())
    }
    "room-ended", "DESIGN 3.5",
    "The list of a room that has ended is empty." => |room| {
        room.post_all(&[room.opening().started(), room.person("alice").joined(), room.opening().finished()]).await?;
        room.shown_when(|shown| shown.len() == 0).await.map(|_| ())
    }
    "right-after-the-webhook", "DESIGN 7",
    "Once LiveKit has 200, the list has what its webhook told: nobody has to ask twice." => |room| {
        let people: Vec<Person> = (0..10).map(|number| room.person(&format!("p{number}"))).collect();
        for (number, person) in people.iter().enumerate() {
            room.post(&person.joined()).await?;
            room.shown().await?.are(&people[..=number].iter().collect::<Vec<_>>())?;
        }
        Ok(())
    }
    "one-list-for-all", "DESIGN 7",
    "Two who ask at the same time get the same bytes." => |room| {
        let alice = room.person("alice").with("attributes", serde_json::json!({"b": "1", "a": "2", "c": "3"}));
        room.post_all(&[alice.joined(), alice.published(&Track::camera())]).await?;
        room.settled().await?;
        let (one, two) = (room.get(&[]).await?, room.get(&[]).await?);
        ensure(one.body() == two.body(), || "they differ".to_owned())
    }
    "name-with-spaces", "RFC 3986, 2.1",
    "A room's name may have spaces." => |room| {
        name_is_found(&room, " a  b ").await
    }
    "name-with-marks", "RFC 3986, 2.2",
    "A room's name may have all characters that mean something in a URL." => |room| {
        name_is_found(&room, "&a=b?c#d/e%f+g;h:i@j").await
    }
    "name-like-an-encoded-one", "RFC 3986, 2.4",
    "A room's name may look like one that is encoded already: `%20` in it is not a space." => |room| {
        let (literal, space) = (room.other("%20x"), room.other(" x"));
        literal.post(&literal.person("alice").joined()).await?;
        literal.shown_when(|shown| shown.len() == 1).await?;
        space.shown().await?.are(&[])
    }
    "name-in-any-script", "RFC 3987",
    "A room's name may be in any script." => |room| {
        name_is_found(&room, "-会議室-комната-😀").await
    }
    "name-with-quotes", "RFC 8259, 7",
    "A room's name may have quotes and backslashes." => |room| {
        name_is_found(&room, r#""'\`<b>"#).await
    }
    "name-like-a-path", "RFC 3986, 5.2.4",
    "A room's name may look like a way out of a folder." => |room| {
        name_is_found(&room, "/../../etc/passwd").await
    }
    "name-like-a-key", "DESIGN 4",
    "A room's name may look like a key of a store, with a colon, a brace or a star." => |room| {
        let (star, other) = (room.other(":{b1}*"), room.other(":{b1}x"));
        let alice = star.person("alice");
        star.post(&alice.joined()).await?;
        other.shown().await?.are(&[])?;
        star.shows(&[&alice]).await
    }
    "long-name", "livekit/livekit pkg/config (limit.max_room_name_length)",
    "A room's name may have 256 letters, which LiveKit allows." => |room| {
        let long = "x".repeat(256 - room.name().len());
        name_is_found(&room, &long).await
    }
    "names-that-begin-alike", "DESIGN 1 (room)",
    "A room whose name is the beginning of another's is another room." => |room| {
        let longer = room.other("-longer");
        longer.post(&longer.person("alice").joined()).await?;
        longer.shown_when(|shown| shown.len() == 1).await?;
        room.shown().await?.are(&[])
    }
    "plus-for-a-space", "URL Standard, application/x-www-form-urlencoded",
    "`URLSearchParams` writes a space as `+`." => |room| {
        is_found_as(&room, " b", "+b").await
    }
    "encoded-in-small-letters", "RFC 3986, 2.1",
    "The digits of an encoded byte may be small letters." => |room| {
        is_found_as(&room, "é", "%c3%a9").await
    }
    "encoded-without-need", "RFC 3986, 2.3",
    "A letter may be encoded that need not be." => |room| {
        is_found_as(&room, "xyz", "%78y%7a").await
    }
    "no-name", "RFC 9110, 15.5.1",
    "A request that names no room is refused, and does not fail." => |room| {
        is_refused(&room, "").await
    }
    "name-that-is-not-utf-8", "RFC 3629",
    "A request whose room's name is not UTF-8 is refused, and does not fail." => |room| {
        is_refused(&room, "%ff%fe").await
    }
    "other-parameters", "RFC 3986, 3.4",
    "Parameters of others are passed over, as links get them." => |room| {
        let alice = room.person("alice");
        room.post(&alice.joined()).await?;
        room.shown_when(|shown| shown.len() == 1).await?;
        let path = room.list_path_with("utm_source", "x&_=1795391850");
        let answer = room.ask(Method::GET, &path, &[]).await?;
        Shown::read(answer.body())?.are(&[&alice])
    }
    "by-post", "RFC 9110, 15.5.6",
    "A POST of a list is refused, and does not fail." => |room| {
        let path = room.target().list_path(room.name());
        let status = room.ask(Method::POST, &path, &[]).await?.status();
        ensure(status.is_client_error(), || format!("it was answered {}", status.as_u16()))
    }
    "by-delete", "RFC 9110, 15.5.6",
    "A DELETE of a list is refused, and nobody is gone." => |room| {
        let alice = room.person("alice");
        room.post(&alice.joined()).await?;
        let path = room.target().list_path(room.name());
        let status = room.ask(Method::DELETE, &path, &[]).await?.status();
        ensure(status.is_client_error(), || format!("it was answered {}", status.as_u16()))?;
        room.shows(&[&alice]).await
    }
}

pub(super) fn header(answer: &Response<Bytes>, name: &str) -> String {
    let value = answer.headers().get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

/// That a room is found whose name goes on like this.
async fn name_is_found(room: &Room, suffix: &str) -> Judged {
    let named = room.other(suffix);
    let alice = named.person("alice");
    named.post(&alice.joined()).await?;
    named.shows(&[&alice]).await
}

/// That a room whose name goes on like this is found where its name is written like that.
async fn is_found_as(room: &Room, suffix: &str, written: &str) -> Judged {
    let named = room.other(suffix);
    let alice = named.person("alice");
    named.post(&alice.joined()).await?;
    named.shown_when(|shown| shown.len() == 1).await?;
    let path = room.target().list_path_of_encoded(&format!("{}{written}", encoded(room.name())));
    let answer = named.ask(Method::GET, &path, &[]).await?;
    let status = answer.status().as_u16();
    ensure(status == 200, || format!("it was answered {status}"))?;
    Shown::read(answer.body())?.are(&[&alice])
}

async fn is_refused(room: &Room, written: &str) -> Judged {
    let path = room.target().list_path_of_encoded(written);
    let status = room.ask(Method::GET, &path, &[]).await?.status();
    ensure(status.is_client_error(), || format!("it was answered {}", status.as_u16()))
}
