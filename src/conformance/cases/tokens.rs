//! Only those who hold a token of LiveKit that opens the room may read.

use axum::http::Method;
use serde_json::{Value, json};

use crate::conformance::{
    case::{Judged, cases, ensure},
    forged::{Forged, key_with_another_secret},
    room::Room,
    target::{Target, with_parameter},
};

cases! {
    Tokens
    "none", "RFC 9110, 15.5.2",
    "Nobody reads a room without a token, and the answer is 401." => |room| {
        let path = room.target().list_path(room.name());
        let status = room.ask_as_anybody(Method::GET, &path, &[]).await?.status().as_u16();
        ensure(status == 401, || format!("it was answered {status}"))
    }
    "joins-the-room", "DESIGN 7",
    "Who may join a room may see who is in it." => |room| {
        reads(&room, |_, token| token).await
    }
    "in-the-query", "RFC 6750, 2.3",
    "`EventSource` sends no headers: the token may be in `?access_token=`." => |room| {
        let token = Forged::of_reader(room.target(), room.name()).signed(&room.target().key);
        let path = room.list_path_with("access_token", &token);
        let status = room.ask_as_anybody(Method::GET, &path, &[]).await?.status().as_u16();
        ensure(status == 200, || format!("it was answered {status}"))
    }
    "bearer-in-lower-case", "RFC 9110, 11.1",
    "The scheme of the header may be written in any case." => |room| {
        let token = Forged::of_reader(room.target(), room.name()).signed(&room.target().key);
        status_with(&room, &format!("bearer {token}"), 200).await
    }
    "empty-bearer", "RFC 6750, 2.1",
    "A header without a token opens nothing." => |room| {
        is_refused_with(&room, "Bearer ").await
    }
    "not-a-jwt", "RFC 7519, 7.2",
    "Text that is not a token opens nothing." => |room| {
        is_refused_with(&room, "Bearer conformance").await
    }
    "moderates-the-room", "DESIGN 7",
    "Who may moderate a room may see who is in it." => |room| {
        reads(&room, |room, token| token.claim("video", json!({"room": room.name(), "roomAdmin": true}))).await
    }
    "lists-rooms", "DESIGN 7",
    "Who may list all rooms may see who is in each." => |room| {
        reads(&room, |_, token| token.claim("video", json!({"roomList": true}))).await
    }
    "more-grants", "livekit/protocol auth/grants.go",
    "Grants and claims of others do not disturb." => |room| {
        reads(&room, |room, token| {
            let video = json!({"room": room.name(), "roomJoin": true, "canPublish": false, "hidden": true, "future": [1]});
            token.claim("video", video).claim("sip", json!({"admin": true})).claim("attributes", json!({"a": "b"}))
        }).await
    }
    "expired", "RFC 7519, 4.1.4",
    "A token that expired an hour ago opens nothing." => |room| {
        opens_nothing(&room, |room, token| token.claim("exp", json!(room.target().now_secs() - 3600))).await
    }
    "no-expiry", "DESIGN 7",
    "A token that would count for ever opens nothing." => |room| {
        opens_nothing(&room, |_, token| token.without_claim("exp")).await
    }
    "not-valid-yet", "RFC 7519, 4.1.5",
    "A token that counts in an hour opens nothing now." => |room| {
        opens_nothing(&room, |room, token| {
            let later = room.target().now_secs() + 3600;
            token.claim("nbf", json!(later)).claim("exp", json!(later + 300))
        }).await
    }
    "wrong-secret", "RFC 7515, 5.2",
    "A token that another secret signed opens nothing." => |room| {
        is_refused(&room, |target, token| token.signed(&key_with_another_secret(&target.key))).await
    }
    "algorithm-none", "RFC 8725, 2.1",
    "A token that nobody signed opens nothing." => |room| {
        is_refused(&room, |_, token| token.header(json!({"alg": "none"})).unsigned() + ".").await
    }
    "algorithm-rs256", "RFC 8725, 2.1",
    "A token that says another algorithm than its key has opens nothing." => |room| {
        opens_nothing(&room, |_, token| token.header(json!({"alg": "RS256", "typ": "JWT"}))).await
    }
    "unknown-issuer", "livekit/protocol auth/verifier.go",
    "A token of a key that is not known opens nothing." => |room| {
        opens_nothing(&room, |_, token| token.claim("iss", json!("APIconformance"))).await
    }
    "no-grant", "livekit/protocol auth/grants.go",
    "A token that grants nothing opens nothing." => |room| {
        opens_nothing(&room, |_, token| token.without_claim("video")).await
    }
    "names-the-room-only", "livekit/protocol auth/grants.go",
    "A token that names the room, and may not join it, does not open it." => |room| {
        opens_nothing(&room, |room, token| token.claim("video", json!({"room": room.name()}))).await
    }
    "may-not-join", "livekit/protocol auth/grants.go",
    "A token that says that it may not join the room does not open it." => |room| {
        opens_nothing(&room, |room, token| token.claim("video", json!({"room": room.name(), "roomJoin": false}))).await
    }
    "joins-any-room", "DESIGN 7",
    "A token that may join, and names no room, opens none." => |room| {
        opens_nothing(&room, |_, token| token.claim("video", json!({"roomJoin": true}))).await
    }
    "joins-another-room", "DESIGN 7",
    "The token of another room does not open this one." => |room| {
        opens_nothing(&room, |room, token| token.claim("video", joins(&format!("{}-other", room.name())))).await
    }
    "joins-a-room-whose-name-begins-so", "DESIGN 7",
    "The token of a room whose name is the beginning of this one's does not open it." => |room| {
        opens_nothing(&room, |room, token| token.claim("video", joins(&room.name()[..room.name().len() - 1]))).await
    }
    "joins-a-room-in-other-letters", "DESIGN 7",
    "The token of a room whose name differs in the case of its letters does not open this one." => |room| {
        opens_nothing(&room, |room, token| token.claim("video", joins(&room.name().to_uppercase()))).await
    }
    "moderates-another-room", "DESIGN 7",
    "The token of another room's moderator does not open this one." => |room| {
        opens_nothing(&room, |_, token| token.claim("video", json!({"room": "conformance-other", "roomAdmin": true}))).await
    }
    "creates-rooms", "livekit/protocol auth/grants.go",
    "A token that creates rooms does not open them." => |room| {
        opens_nothing(&room, |_, token| token.claim("video", json!({"roomCreate": true}))).await
    }
    "grant-is-text", "livekit/protocol auth/grants.go",
    "A grant of another shape opens nothing." => |room| {
        opens_nothing(&room, |room, token| token.claim("video", json!(room.name()))).await
    }
    "of-a-webhook", "DESIGN 7",
    "The token of a webhook, which the body's reader has, opens nothing." => |room| {
        is_refused(&room, |target, _| target.webhook_token(b"{}")).await
    }
    "with-a-hash", "DESIGN 7",
    "A token with a body's hash opens nothing, whatever it grants." => |room| {
        opens_nothing(&room, |_, token| token.claim("sha256", json!("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="))).await
    }
    "does-not-tell-which-rooms-exist", "DESIGN 7",
    "Who may not read a room does not learn whether there is one." => |room| {
        let empty = room.other("-empty");
        room.post(&room.person("alice").joined()).await?;
        room.shown_when(|shown| shown.len() == 1).await?;
        let token = Forged::of_reader(room.target(), "conformance-other").signed(&room.target().key);
        let (used, unused) = (room.get_with_token(&token).await?, empty.get_with_token(&token).await?);
        ensure(used.status() == unused.status() && used.body().len() == unused.body().len(), || {
            format!("a room with somebody is answered {}, one without {}", used.status().as_u16(), unused.status().as_u16())
        })
    }
    "not-repeated", "DESIGN 7",
    "A refusal does not repeat the token, which would stand in logs." => |room| {
        let token = Forged::of_reader(room.target(), "conformance-other").signed(&room.target().key);
        let answer = room.get_with_token(&token).await?;
        let status = answer.status();
        ensure(status.is_client_error(), || format!("it was answered {}", status.as_u16()))?;
        let text = format!("{:?} {}", answer.headers(), String::from_utf8_lossy(answer.body()));
        ensure(!text.contains(&token), || "it is in the answer".to_owned())
    }
    "stream-without" [TokensOfStreams], "DESIGN 7",
    "A stream needs a token." => |room| {
        stream_is_refused(&room, None).await
    }
    "stream-of-another-room" [TokensOfStreams], "DESIGN 7",
    "A stream needs the token of its room." => |room| {
        let token = Forged::of_reader(room.target(), "conformance-other").signed(&room.target().key);
        stream_is_refused(&room, Some(token)).await
    }
    "stream-expired" [TokensOfStreams], "DESIGN 7",
    "A stream does not begin with a token that has expired." => |room| {
        let target = room.target();
        let token = Forged::of_reader(target, room.name()).claim("exp", json!(target.now_secs() - 3600)).signed(&target.key);
        stream_is_refused(&room, Some(token)).await
    }
    "stream-with-the-token-in-the-query" [TokensOfStreams], "HTML, 9.2.2 (EventSource)",
    "A browser's `EventSource` opens a stream with the token in the query." => |room| {
        let token = Forged::of_reader(room.target(), room.name()).signed(&room.target().key);
        let path = with_parameter(&room.target().stream_path(room.name()), "access_token", &token);
        let answer = room.target().open(&path, &[]).await.map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        ensure(status == 200, || format!("it was answered {status}"))
    }
}

fn joins(room: &str) -> Value {
    json!({"room": room, "roomJoin": true})
}

async fn reads(room: &Room, change: impl Fn(&Room, Forged) -> Forged + Send) -> Judged {
    let token = change(room, Forged::of_reader(room.target(), room.name()));
    status_with(room, &format!("Bearer {}", token.signed(&room.target().key)), 200).await
}

/// That a token with this change is refused.
async fn opens_nothing(room: &Room, change: impl Fn(&Room, Forged) -> Forged + Send) -> Judged {
    let token = change(room, Forged::of_reader(room.target(), room.name()));
    is_refused_with(room, &format!("Bearer {}", token.signed(&room.target().key))).await
}

async fn is_refused(room: &Room, token: impl Fn(&Target, Forged) -> String + Send) -> Judged {
    let token = token(room.target(), Forged::of_reader(room.target(), room.name()));
    is_refused_with(room, &format!("Bearer {token}")).await
}

async fn is_refused_with(room: &Room, authorization: &str) -> Judged {
    let status = status_of(room, authorization).await?;
    ensure(status == 401 || status == 403, || format!("it was answered {status}"))
}

async fn status_with(room: &Room, authorization: &str, expected: u16) -> Judged {
    let status = status_of(room, authorization).await?;
    ensure(status == expected, || format!("it was answered {status}"))
}

async fn status_of(room: &Room, authorization: &str) -> Result<u16, String> {
    let path = room.target().list_path(room.name());
    let headers = [("authorization", authorization.as_bytes())];
    Ok(room.ask_as_anybody(Method::GET, &path, &headers).await?.status().as_u16())
}

async fn stream_is_refused(room: &Room, token: Option<String>) -> Judged {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = bearer.iter().map(|one| ("authorization", one.as_bytes())).collect();
    let path = room.target().stream_path(room.name());
    let opened = room.target().open(&path, &headers).await;
    let status = opened.map_err(|error| error.to_string())?.status().as_u16();
    ensure(status == 401 || status == 403, || format!("it was answered {status}"))
}
