//! The same for bodies: that which was signed, byte for byte, and what is made of a signed one that is no event.

use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::conformance::{
    case::{Judged, cases, ensure},
    person::Person,
    room::Room,
    target::Delivery,
    webhook::Webhook,
};

use super::signatures::refuses;

/// More than LiveKit ever sends: half a mebibyte of metadata twice, escaped.
const HUGE_BYTES: usize = 8 * 1024 * 1024;
const LARGE_BYTES: usize = 1024 * 1024;

cases! {
    Signatures
    "space-after-the-body", "livekit/protocol webhook/verifier.go",
    "A body with one more space is not the one that was signed." => |room| {
        refuses_changed(&room, |body| body + " ").await
    }
    "space-before-the-body", "livekit/protocol webhook/verifier.go",
    "A body with a space before it is not the one that was signed." => |room| {
        refuses_changed(&room, |body| format!(" {body}")).await
    }
    "line-break-after-the-body", "livekit/protocol webhook/verifier.go",
    "A body with a line break at its end is not the one that was signed." => |room| {
        refuses_changed(&room, |body| body + "\n").await
    }
    "body-of-somebody-else", "livekit/protocol webhook/verifier.go",
    "A body in which a letter differs is not the one that was signed." => |room| {
        refuses_changed(&room, |body| body.replace("alice", "alicf")).await
    }
    "body-written-anew", "livekit/protocol webhook/verifier.go",
    "The same JSON, written anew without its spaces, is not what was signed: the bytes are hashed." => |room| {
        refuses_changed(&room, |body| body.replace(", \"", ",\"")).await
    }
    "cut-body", "livekit/protocol webhook/verifier.go",
    "Half a body is not the one that was signed." => |room| {
        refuses_changed(&room, |body| body[..body.len() / 2].to_owned()).await
    }
    "empty-body", "livekit/protocol webhook/verifier.go",
    "An empty body is not the one that was signed." => |room| {
        refuses_changed(&room, |_| String::new()).await
    }
    "huge-body-that-nobody-signed", "DESIGN 7",
    "A body of 8 MiB without a token is refused, or cut off, and everything goes on." => |room| {
        let huge = Delivery {
            body: Bytes::from(vec![b' '; HUGE_BYTES]),
            authorization: None,
            content_type: Some("application/webhook+json"),
        };
        // Whoever refuses it early closes the connection, and then there is no answer.
        if let Ok(answer) = room.deliver(huge).await {
            let status = answer.status();
            ensure(status.is_client_error(), || format!("it was answered {}", status.as_u16()))?;
        }
        room.shows(&[]).await
    }
    "large-body", "livekit/livekit pkg/config (limit.max_metadata_size)",
    "A signed body of a mebibyte is taken: rooms and people have up to 512 KiB of metadata each." => |room| {
        let alice = room.person("alice");
        let joined = alice.joined().with("note", json!("x".repeat(LARGE_BYTES)));
        room.post(&joined).await?;
        room.shows(&[&alice]).await
    }
    "signed-but-no-json", "livekit/livekit: a webhook that is answered 5xx is sent again",
    "A signed body that is not JSON is answered for good, not with 5xx." => |room| {
        is_answered_for_good(&room, "conformance").await
    }
    "signed-but-not-utf-8", "RFC 8259, 8.1",
    "A signed body that is not UTF-8 is answered for good." => |room| {
        let body = Bytes::from_static(b"{\"event\":\"participant_joined\", \"id\":\"\xff\"}");
        bytes_are_answered_for_good(&room, body).await
    }
    "signed-but-an-array", "livekit_webhook.proto",
    "A signed array is answered for good." => |room| {
        is_answered_for_good(&room, "[]").await
    }
    "signed-but-null", "livekit_webhook.proto",
    "A signed `null` is answered for good." => |room| {
        is_answered_for_good(&room, "null").await
    }
    "signed-but-empty-object", "livekit_webhook.proto",
    "A signed object without an event is answered for good." => |room| {
        is_answered_for_good(&room, "{}").await
    }
    "signed-but-no-room", "livekit_webhook.proto",
    "An event of a participant that names no room is answered for good." => |room| {
        let joined = room.person("alice").joined().without("room");
        bytes_are_answered_for_good(&room, joined.bytes()).await
    }
    "signed-but-no-participant", "livekit_webhook.proto",
    "An event of a participant without the participant is answered for good." => |room| {
        let joined = room.person("alice").joined().without("participant");
        bytes_are_answered_for_good(&room, joined.bytes()).await
    }
    "signed-but-no-sid", "livekit_models.proto",
    "An event whose participant has no sid is answered for good, and shows nobody." => |room| {
        let nobody = room.person("alice").without("sid");
        bytes_are_answered_for_good(&room, nobody.joined().bytes()).await?;
        let shown = room.settled().await?;
        ensure(shown.len() == 0, || "somebody without a sid is shown".to_owned())
    }
    "signed-but-of-another-shape", "livekit_webhook.proto",
    "An event whose room is text is answered for good." => |room| {
        let joined = room.person("alice").joined().with("room", json!(room.name()));
        bytes_are_answered_for_good(&room, joined.bytes()).await
    }
    "deep-json", "RFC 8259, 9",
    "A signed body that is nested ten thousand times is answered for good." => |room| {
        let body = format!("{{\"event\":\"x\",\"deep\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        is_answered_for_good(&room, &body).await
    }
    "content-type-json", "livekit/protocol webhook/url_notifier.go",
    "A webhook that says `application/json` is taken: what counts is the signature." => |room| {
        takes_type(&room, Some("application/json")).await
    }
    "content-type-with-charset", "RFC 9110, 8.3.1",
    "A webhook whose type has a charset is taken." => |room| {
        takes_type(&room, Some("application/webhook+json; charset=utf-8")).await
    }
    "content-type-text", "livekit/protocol webhook/verifier.go",
    "A webhook that says `text/plain` is taken." => |room| {
        takes_type(&room, Some("text/plain")).await
    }
    "no-content-type", "RFC 9110, 8.3",
    "A webhook that does not say its type is taken." => |room| {
        takes_type(&room, None).await
    }
    "white-space-in-json", "google.golang.org/protobuf encoding/protojson",
    "Spaces and line breaks in JSON mean nothing, and are signed as they are." => |room| {
        let alice = room.person("alice");
        let value = Value::Object(alice.joined().0);
        let pretty = serde_json::to_string_pretty(&value).unwrap_or_default();
        room.post_body(Bytes::from(format!("\n {pretty}\n\n"))).await?;
        room.shows(&[&alice]).await
    }
}

async fn refuses_changed(room: &Room, change: impl Fn(String) -> String + Send) -> Judged {
    let alice = room.person("alice");
    let signed = alice.joined();
    let delivery =
        Delivery { body: Bytes::from(change(signed.text())), ..room.delivery(signed.bytes()) };
    refuses(room, delivery, &alice).await
}

/// LiveKit sends a webhook again that is answered with 5xx, and the room's others wait.
async fn is_answered_for_good(room: &Room, body: &str) -> Judged {
    bytes_are_answered_for_good(room, Bytes::from(body.to_owned())).await
}

async fn bytes_are_answered_for_good(room: &Room, body: Bytes) -> Judged {
    let status = room.deliver(room.delivery(body)).await?.status();
    let is_final = status.is_success() || status.is_client_error();
    ensure(is_final, || format!("it was answered {}", status.as_u16()))
}

async fn takes_type(room: &Room, content_type: Option<&'static str>) -> Judged {
    let alice: Person = room.person("alice");
    let joined: Webhook = alice.joined();
    room.takes(Delivery { content_type, ..room.delivery(joined.bytes()) }).await?;
    room.shows(&[&alice]).await
}
