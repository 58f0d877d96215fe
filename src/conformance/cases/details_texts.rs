//! Texts that people choose: each comes out as it went in, whatever is in it.

use hyper::body::Bytes;
use serde_json::json;

use crate::conformance::case::{Judged, cases, ensure};
use crate::conformance::room::Room;

use super::details::field_is;

/// What LiveKit allows a participant is twice that.
const LARGE_BYTES: usize = 256 * 1024;

cases! {
    Details
    "emoji", "RFC 8259, 8.1",
    "A name with emoji, of several characters each, is kept." => |room| {
        name_is_kept(&room, "👩‍👩‍👧‍👦 🇫🇷 é").await
    }
    "right-to-left", "RFC 8259, 8.1",
    "A name that is written from right to left, with marks that say so, is kept." => |room| {
        name_is_kept(&room, "\u{202b}שלום\u{202c} مرحبا\u{200f}").await
    }
    "combining-letters", "RFC 8259, 8.3",
    "Letters that look the same stay what they are: `é` in one character or in two." => |room| {
        name_is_kept(&room, "e\u{301} \u{e9} \u{212b}").await
    }
    "quotes", "RFC 8259, 7",
    "A name with quotes and backslashes is kept." => |room| {
        name_is_kept(&room, r#"Robert "Bobby" \ O'Tables\"#).await
    }
    "html", "DESIGN 7",
    "A name that looks like HTML is kept: to escape it is up to the page." => |room| {
        name_is_kept(&room, "<script>alert(1)</script>&amp;</style>").await
    }
    "line-breaks", "HTML, 9.2.6",
    "Metadata with line breaks of all kinds is kept." => |room| {
        metadata_is_kept(&room, "one\ntwo\r\nthree\rfour\n\ndata: five").await
    }
    "line-separators", "RFC 8259, 7",
    "Metadata with the line breaks of Unicode (U+2028, U+2029, U+0085) is kept." => |room| {
        metadata_is_kept(&room, "a\u{2028}b\u{2029}c\u{85}d").await
    }
    "control-characters", "RFC 8259, 7",
    "Metadata with a NUL, and with what moves a terminal, is kept." => |room| {
        metadata_is_kept(&room, "a\u{0}b\u{1b}[2Jc\u{7f}\tz").await
    }
    "noncharacters", "RFC 8259, 8.1",
    "Metadata with the last characters of Unicode, and with a mark of the byte order, is kept." => |room| {
        metadata_is_kept(&room, "\u{feff}\u{ffff}\u{10ffff}").await
    }
    "escaped-in-json", "RFC 8259, 7",
    "Characters that come escaped, as halves of a pair, are the same characters." => |room| {
        let alice = room.person("alice").with("name", json!("NAME"));
        let body = alice.joined().text().replace("NAME", r"\u00e9\ud83d\ude00\/");
        room.post_body(Bytes::from(body)).await?;
        let shown = room.settled().await?;
        let name = shown.of(alice.sid()).map(|one| one["name"].clone()).unwrap_or_default();
        ensure(name == "é😀/", || format!("the name is {name}"))
    }
    "spaces-around", "livekit_models.proto (ParticipantInfo.name)",
    "Spaces at both ends belong to a name." => |room| {
        name_is_kept(&room, "  alice  ").await
    }
    "large-metadata", "livekit/livekit pkg/config (limit.max_metadata_size)",
    "Metadata of 256 KiB is shown whole." => |room| {
        let large: String = ('a'..='z').cycle().take(LARGE_BYTES).collect();
        metadata_is_kept(&room, &large).await
    }
    "large-metadata-of-wide-letters", "livekit/livekit pkg/config (limit.max_metadata_size)",
    "Metadata of 256 KiB is shown whole also if each letter has four bytes." => |room| {
        metadata_is_kept(&room, &"😀".repeat(LARGE_BYTES / 4)).await
    }
    "attributes-of-any-name", "livekit_models.proto (ParticipantInfo.attributes)",
    "Attributes may be called anything." => |room| {
        let attributes = json!({"": "empty", "a.b/c d": "x", "__proto__": "y", "constructor": "z", "ключ": "é"});
        let alice = room.person("alice").with("attributes", attributes.clone());
        field_is(&room, &alice, "/attributes", &attributes).await
    }
    "identity-with-marks", "livekit_models.proto (ParticipantInfo.identity)",
    "An identity with slashes, spaces, colons and percent signs is kept." => |room| {
        identity_is_kept(&room, "user:7/a b%20c?d#e&f=g").await
    }
    "identity-like-an-object", "livekit_models.proto (ParticipantInfo.identity)",
    "An identity that is called as what every object has, `__proto__`, is one like others." => |room| {
        identity_is_kept(&room, "__proto__").await
    }
    "identity-in-any-script", "livekit_models.proto (ParticipantInfo.identity)",
    "An identity in any script is kept." => |room| {
        identity_is_kept(&room, "アリス-Алиса-😀").await
    }
    "long-identity", "livekit/livekit pkg/config (limit.max_participant_identity_length)",
    "An identity of 256 letters, which LiveKit allows, is kept." => |room| {
        identity_is_kept(&room, &"a".repeat(256)).await
    }
    "identities-in-other-letters", "livekit_models.proto (ParticipantInfo.identity)",
    "`Alice` and `alice` are two people." => |room| {
        let (upper, lower) = (room.person("Alice"), room.person("alice"));
        room.post_all(&[upper.joined(), lower.joined()]).await?;
        room.shows(&[&upper, &lower]).await
    }
    "same-name", "livekit_models.proto (ParticipantInfo.name)",
    "Two people of the same name are two." => |room| {
        let (one, two) = (room.person("one").with("name", json!("Sam")), room.person("two").with("name", json!("Sam")));
        room.post_all(&[one.joined(), two.joined()]).await?;
        room.shows(&[&one, &two]).await
    }
}

async fn name_is_kept(room: &Room, name: &str) -> Judged {
    let alice = room.person("alice").with("name", json!(name));
    field_is(room, &alice, "/name", &json!(name)).await
}

async fn metadata_is_kept(room: &Room, metadata: &str) -> Judged {
    let alice = room.person("alice").with("metadata", json!(metadata));
    field_is(room, &alice, "/metadata", &json!(metadata)).await
}

async fn identity_is_kept(room: &Room, identity: &str) -> Judged {
    field_is(room, &room.person(identity), "/identity", &json!(identity)).await
}
