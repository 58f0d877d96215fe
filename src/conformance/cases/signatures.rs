//! Only those who sign with the key may tell of a room. Here the defects are in the token.

use axum::http::Method;
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE},
};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    conformance::{
        case::{Judged, cases, ensure},
        forged::{Forged, key_with_another_secret, parts, signed},
        person::Person,
        room::{CONTENT_TYPE, Room},
        target::{Delivery, Target},
    },
    livekit::VideoGrant,
};

cases! {
    Signatures
    "valid", "livekit/protocol webhook/verifier.go",
    "A webhook that the key signed is taken." => |room| {
        let alice = room.person("alice");
        room.post(&alice.joined()).await?;
        room.shows(&[&alice]).await
    }
    "no-authorization", "livekit/protocol webhook/verifier.go",
    "Nobody vouches for a webhook without a token." => |room| {
        let alice = room.person("alice");
        let unsigned = Delivery { authorization: None, ..room.delivery(alice.joined().bytes()) };
        refuses(&room, unsigned, &alice).await
    }
    "empty-authorization", "RFC 9110, 11.6.2",
    "Nobody vouches for a webhook whose token is empty." => |room| {
        refuses_token(&room, |_, _| String::new()).await
    }
    "not-a-jwt", "RFC 7519, 7.2",
    "Text that is not a token does not count as one." => |room| {
        refuses_token(&room, |_, _| "conformance".to_owned()).await
    }
    "not-ascii", "RFC 9110, 5.5",
    "An `Authorization` with bytes that are not text is refused, and breaks nothing." => |room| {
        let alice = room.person("alice");
        let delivery = room.delivery(alice.joined().bytes());
        let strange = Delivery { authorization: Some(b"\xff\xfe.\xe9.\x80".to_vec()), ..delivery };
        refuses(&room, strange, &alice).await
    }
    "long-authorization", "RFC 9110, 5.4",
    "A token of 12 KiB that nobody signed is refused, and breaks nothing." => |room| {
        refuses_token(&room, |_, _| "x".repeat(12 * 1024)).await
    }
    "no-signature", "RFC 7515, 3.1",
    "A token has three parts." => |room| {
        refuses_token(&room, |_, token| token.unsigned()).await
    }
    "empty-signature", "RFC 7518, 3.6",
    "An empty signature is none." => |room| {
        refuses_token(&room, |_, token| token.unsigned() + ".").await
    }
    "cut-signature", "RFC 7515, 5.2",
    "Half a signature is none." => |room| {
        refuses_token(&room, |target, token| {
            let token = token.signed(&target.key);
            token[..token.len() - 20].to_owned()
        }).await
    }
    "changed-signature", "RFC 7515, 5.2",
    "A signature that differs in one letter is another." => |room| {
        refuses_token(&room, |target, token| {
            let token = token.signed(&target.key);
            let at = token.rfind('.').unwrap_or_default() + 1;
            let other = if token[at..].starts_with('A') { "B" } else { "A" };
            format!("{}{other}{}", &token[..at], &token[at + 1..])
        }).await
    }
    "four-parts", "RFC 7519, 7.2",
    "A token with a part too many is none." => |room| {
        refuses_token(&room, |target, token| token.signed(&target.key) + ".x").await
    }
    "wrong-secret", "RFC 7515, 5.2",
    "A signature with another secret does not count, whichever key it names." => |room| {
        refuses_token(&room, |target, token| token.signed(&key_with_another_secret(&target.key))).await
    }
    "algorithm-none", "RFC 8725, 2.1",
    "`alg: none` signs nothing." => |room| {
        refuses_token(&room, |_, token| token.header(json!({"alg": "none", "typ": "JWT"})).unsigned() + ".").await
    }
    "algorithm-none-in-other-letters", "RFC 8725, 2.1",
    "`alg: nOnE` signs nothing." => |room| {
        refuses_token(&room, |_, token| token.header(json!({"alg": "nOnE"})).unsigned() + ".").await
    }
    "algorithm-none-signed", "RFC 8725, 3.1",
    "A token that says `none` does not count, even if it is signed." => |room| {
        refuses_token(&room, |target, token| token.header(json!({"alg": "none"})).signed(&target.key)).await
    }
    "algorithm-rs256", "RFC 8725, 2.1",
    "The key is for HS256, whatever the token says of itself: not for RS256." => |room| {
        refuses_token(&room, |target, token| token.header(json!({"alg": "RS256", "typ": "JWT"})).signed(&target.key)).await
    }
    "algorithm-hs512", "RFC 8725, 3.1",
    "A signature by HS256 is none by HS512." => |room| {
        refuses_token(&room, |target, token| token.header(json!({"alg": "HS512", "typ": "JWT"})).signed(&target.key)).await
    }
    "no-algorithm", "RFC 7515, 4.1.1",
    "A token says its algorithm." => |room| {
        refuses_token(&room, |target, token| token.header(json!({"typ": "JWT"})).signed(&target.key)).await
    }
    "header-is-no-json", "RFC 7515, 5.2",
    "A token's header is JSON." => |room| {
        refuses_token(&room, |target, token| signed(&parts("alg=HS256", &token.claims.to_string()), &target.key)).await
    }
    "claims-are-no-json", "RFC 7519, 7.2",
    "A token's claims are JSON." => |room| {
        refuses_token(&room, |target, token| signed(&parts(&token.header.to_string(), "sha256=x"), &target.key)).await
    }
    "claims-are-an-array", "RFC 7519, 7.2",
    "A token's claims are an object." => |room| {
        refuses_token(&room, |target, token| {
            signed(&parts(&token.header.to_string(), &json!([token.claims]).to_string()), &target.key)
        }).await
    }
    "claims-of-another-token", "RFC 7515, 5.2",
    "A signature is over the claims that it was made for." => |room| {
        refuses_token(&room, |target, token| {
            let old = token.clone().claim("exp", json!(target.now_secs() - 3600)).signed(&target.key);
            let signature = old.rsplit('.').next().unwrap_or_default();
            format!("{}.{signature}", token.unsigned())
        }).await
    }
    "expired", "RFC 7519, 4.1.4",
    "A token that expired an hour ago vouches for nothing." => |room| {
        refuses_token(&room, |target, token| token.claim("exp", json!(target.now_secs() - 3600)).signed(&target.key)).await
    }
    "no-expiry", "livekit/protocol auth/accesstoken.go",
    "A token of LiveKit has an expiry; without one it would count for ever." => |room| {
        refuses_token(&room, |target, token| token.without_claim("exp").signed(&target.key)).await
    }
    "expiry-is-text", "RFC 7519, 2 (NumericDate)",
    "An expiry is a number." => |room| {
        refuses_token(&room, |target, token| token.claim("exp", json!("tomorrow")).signed(&target.key)).await
    }
    "not-valid-yet", "RFC 7519, 4.1.5",
    "A token that counts in an hour does not count now." => |room| {
        refuses_token(&room, |target, token| {
            let later = target.now_secs() + 3600;
            token.claim("nbf", json!(later)).claim("exp", json!(later + 300)).signed(&target.key)
        }).await
    }
    "just-expired", "livekit/protocol auth/verifier.go",
    "Clocks may be half a minute apart: a token that just expired counts." => |room| {
        takes_token(&room, |target, token| token.claim("exp", json!(target.now_secs() - 30)).signed(&target.key)).await
    }
    "valid-in-a-moment", "livekit/protocol auth/verifier.go",
    "Clocks may be half a minute apart: a token counts that is valid in half a minute." => |room| {
        takes_token(&room, |target, token| token.claim("nbf", json!(target.now_secs() + 30)).signed(&target.key)).await
    }
    "no-not-before", "RFC 7519, 4.1.5",
    "A token without `nbf` counts." => |room| {
        takes_token(&room, |target, token| token.without_claim("nbf").signed(&target.key)).await
    }
    "unknown-claims", "RFC 7519, 4",
    "Claims that nobody knows are ignored." => |room| {
        takes_token(&room, |target, token| {
            let token = token.claim("iat", json!(target.now_secs()));
            token.claim("future", json!({"x": [1]})).signed(&target.key)
        }).await
    }
    "header-in-another-order", "RFC 7515, 4",
    "A token's header may be in another order, and may say more." => |room| {
        takes_token(&room, |target, token| {
            let header = r#"{"kid":"x","typ":"JWT","alg":"HS256"}"#;
            signed(&parts(header, &token.claims.to_string()), &target.key)
        }).await
    }
    "no-issuer", "livekit/protocol auth/verifier.go",
    "A token that names no key is signed by none." => |room| {
        refuses_token(&room, |target, token| token.without_claim("iss").signed(&target.key)).await
    }
    "empty-issuer", "livekit/protocol auth/verifier.go",
    "A key has a name." => |room| {
        refuses_token(&room, |target, token| token.claim("iss", json!("")).signed(&target.key)).await
    }
    "unknown-issuer", "livekit/protocol auth/verifier.go",
    "A key that is not known does not count, even with the right secret." => |room| {
        refuses_token(&room, |target, token| token.claim("iss", json!("APIconformance")).signed(&target.key)).await
    }
    "issuer-in-other-letters", "livekit/protocol auth/verifier.go",
    "The name of a key in lower case (or, if it is, in upper case) is another." => |room| {
        refuses_token(&room, |target, token| {
            let name = target.key.name();
            let lower = name.to_lowercase();
            let other = if lower == name { name.to_uppercase() } else { lower };
            // A name without letters has no other case.
            let other = if other == name { format!("{name} ") } else { other };
            token.claim("iss", json!(other)).signed(&target.key)
        }).await
    }
    "no-hash", "livekit/protocol webhook/verifier.go",
    "A webhook's token has the hash of its body." => |room| {
        refuses_token(&room, |target, token| token.without_claim("sha256").signed(&target.key)).await
    }
    "empty-hash", "livekit/protocol webhook/verifier.go",
    "An empty hash fits no body." => |room| {
        refuses_token(&room, |target, token| token.claim("sha256", json!("")).signed(&target.key)).await
    }
    "hash-is-a-number", "livekit/protocol webhook/verifier.go",
    "A hash is text." => |room| {
        refuses_token(&room, |target, token| token.claim("sha256", json!(256)).signed(&target.key)).await
    }
    "hash-of-another-body", "livekit/protocol webhook/verifier.go",
    "A token vouches for its own body alone." => |room| {
        refuses_token(&room, |target, token| {
            let other = BASE64_STANDARD.encode(Sha256::digest(b"{}"));
            token.claim("sha256", json!(other)).signed(&target.key)
        }).await
    }
    "hash-in-hex", "livekit/protocol webhook/verifier.go",
    "A hash is base64, not hexadecimal." => |room| {
        refuses_hash(&room, |digest| {
            digest.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|half| char::from(b"0123456789abcdef"[usize::from(half)])).collect()
        }).await
    }
    "hash-in-base64url", "RFC 4648, 4",
    "A hash is standard base64, not that for URLs." => |room| {
        refuses_hash(&room, |digest| BASE64_URL_SAFE.encode(digest)).await
    }
    "hash-without-padding", "RFC 4648, 3.2",
    "A hash has its padding." => |room| {
        refuses_hash(&room, |digest| BASE64_STANDARD_NO_PAD.encode(digest)).await
    }
    "token-of-a-client", "livekit/protocol webhook/verifier.go",
    "A client's token, which people hold, vouches for no webhook." => |room| {
        refuses_token(&room, |target, _| {
            target.access_token("mallory", VideoGrant { room_admin: true, ..VideoGrant::default() })
        }).await
    }
    "bearer", "RFC 6750, 2.1",
    "A proxy may write `Bearer` before the token." => |room| {
        takes_token(&room, |target, token| format!("Bearer {}", token.signed(&target.key))).await
    }
    "basic", "RFC 9110, 11.4",
    "A token with another scheme before it, such as `Basic`, is none." => |room| {
        refuses_token(&room, |target, token| format!("Basic {}", token.signed(&target.key))).await
    }
    "by-get", "RFC 9110, 9.3.1",
    "A GET of that path is not a webhook." => |room| {
        let path = room.target().webhook_path().to_owned();
        let answer = room.ask(Method::GET, &path, &[]).await?;
        ensure(answer.status().is_client_error(), || format!("it was answered {}", answer.status().as_u16()))
    }
}

/// That a webhook is refused for good, and changes nothing.
pub(super) async fn refuses(room: &Room, delivery: Delivery, of: &Person) -> Judged {
    let status = room.deliver(delivery).await?.status();
    ensure(status.is_client_error(), || format!("it was answered {}", status.as_u16()))?;
    let shown = room.settled().await.map_err(|error| {
        format!("nobody can say what came of it, as the list could not be read: {error}")
    })?;
    shown.are(&[]).map_err(|error| format!("{} came of it: {error}", of.identity()))
}

async fn refuses_token(room: &Room, token: impl Fn(&Target, Forged) -> String + Send) -> Judged {
    let alice = room.person("alice");
    let delivery = with_token(room, &alice, token);
    refuses(room, delivery, &alice).await
}

async fn takes_token(room: &Room, token: impl Fn(&Target, Forged) -> String + Send) -> Judged {
    let alice = room.person("alice");
    room.takes(with_token(room, &alice, token)).await?;
    room.shows(&[&alice]).await
}

fn with_token(room: &Room, person: &Person, token: impl Fn(&Target, Forged) -> String) -> Delivery {
    let body = person.joined().bytes();
    let token = token(room.target(), Forged::of_webhook(room.target(), &body));
    Delivery { body, authorization: Some(token.into()), content_type: Some(CONTENT_TYPE) }
}

/// That a hash which is written otherwise is refused, of a body whose hash differs in all of these ways.
async fn refuses_hash(room: &Room, write: impl Fn(&[u8]) -> String + Send) -> Judged {
    let alice = room.person("alice");
    let differs = |hash: &str| hash.contains('+') || hash.contains('/');
    let (mut webhook, mut hash) = (alice.joined(), String::new());
    while !differs(&hash) {
        webhook = webhook.with_new_id();
        hash = BASE64_STANDARD.encode(Sha256::digest(webhook.text()));
    }
    let body = webhook.bytes();
    let token = Forged::of_webhook(room.target(), &body)
        .claim("sha256", json!(write(&Sha256::digest(&body))))
        .signed(&room.target().key);
    let delivery =
        Delivery { body, authorization: Some(token.into()), content_type: Some(CONTENT_TYPE) };
    refuses(room, delivery, &alice).await
}
