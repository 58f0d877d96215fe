//! Whether LiveKit's API is where `livekit.url` says, and takes our key.

use axum::http::{Response, StatusCode};
use hyper::body::Bytes;
use serde_json::Value;

use crate::{
    doctor::{
        finding::{Check, Checked},
        unreachable,
    },
    http_client::ExchangeError,
};

use super::{LiveKit, words_of};

/// What was found, and LiveKit's answer if it is one of LiveKit's.
pub(in crate::doctor) async fn check(livekit: &LiveKit) -> (Checked, Option<Response<Bytes>>) {
    match livekit.list_no_rooms().await {
        Ok(answer) => judge(livekit, answer),
        Err(error) => (unanswered(livekit, &error), None),
    }
}

fn unanswered(livekit: &LiveKit, error: &ExchangeError) -> Checked {
    Checked::of(Check::LiveKit).wrong(
        format!("LiveKit's API at {} gives no answer: {error}.", livekit.base),
        unreachable::remedy(error, "`livekit.url` (LIVEKIT_URL)"),
    )
}

fn judge(livekit: &LiveKit, answer: Response<Bytes>) -> (Checked, Option<Response<Bytes>>) {
    let checked = Checked::of(Check::LiveKit);
    let (base, key) = (&livekit.base, livekit.key_name());
    let status = answer.status();
    let words = words_of(answer.body());
    match status {
        StatusCode::OK if lists_rooms(answer.body()) => {
            (checked.saying(format!("{base} knows the key {key}")), Some(answer))
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if is_livekits_refusal(&words) => {
            (refused(checked, key, &words), Some(answer))
        }
        _ if status.is_redirection() => {
            (checked.wrong(
                format!("What answers at {base} redirects to another address."),
                "Write the address behind it into `livekit.url` (LIVEKIT_URL): redirects are not followed.",
            ), None)
        }
        StatusCode::BAD_REQUEST if words.contains("HTTP request to an HTTPS") => {
            (checked.wrong(
                format!("At {base} TLS is spoken, and `livekit.url` says that it is not."),
                "Write wss or https in `livekit.url` (LIVEKIT_URL).",
            ), None)
        }
        _ => (no_livekit(checked, base, status, &words), None),
    }
}

fn lists_rooms(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|answer| answer.is_object())
}

/// LiveKit's own words about a token; a proxy that asks for a password has others.
fn is_livekits_refusal(words: &str) -> bool {
    ["API key", "token", "permission", "signature", "invalid"].iter().any(|own| words.contains(own))
}

fn refused(checked: Checked, key: &str, words: &str) -> Checked {
    if words.contains("invalid API key") {
        return checked.wrong(
            format!("LiveKit does not know the API key {key}."),
            format!("Add {key} to `keys` in LiveKit's configuration, or set LIVEKIT_API_KEY and LIVEKIT_API_SECRET to a key that is there."),
        );
    }
    if words.contains("expired") || words.contains("not valid yet") || words.contains("before") {
        return checked.wrong(
            format!("LiveKit refuses our token, although it is fresh: {words}."),
            "Let NTP set the clocks of both machines.",
        );
    }
    checked.wrong(
        format!("LiveKit knows the API key {key}, but with another secret: {words}."),
        format!("Set the secret of {key} in LIVEKIT_API_SECRET or LIVEKIT_KEYS to that in LiveKit's configuration."),
    )
}

fn no_livekit(checked: Checked, base: &str, status: StatusCode, words: &str) -> Checked {
    let has_path = base.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    let remedy = if has_path {
        "Remove the path from `livekit.url` (LIVEKIT_URL), unless a proxy puts LiveKit below it."
    } else {
        "Correct host and port in `livekit.url` (LIVEKIT_URL): LiveKit's own port is 7880 unless its configuration has another."
    };
    let code = status.as_u16();
    checked.wrong(format!("What answers at {base} is not LiveKit's API: {code} {words:?}."), remedy)
}
