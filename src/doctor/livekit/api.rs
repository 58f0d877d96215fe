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
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => match Refusal::of(&words) {
            Some(refusal) => (refused(checked, key, &words, refusal), Some(answer)),
            None => (unexplained(checked, base, status, &words), None),
        },
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

/// What LiveKit's own words say of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    UnknownKey,
    Clock,
    Signature,
}

impl Refusal {
    /// None for other words, such as those of a proxy that asks for a password.
    fn of(words: &str) -> Option<Self> {
        let says = |any: &[&str]| any.iter().any(|own| words.contains(own));
        if says(&["invalid API key"]) {
            Some(Self::UnknownKey)
        } else if says(&["token is expired", "not valid yet", "used before issued"]) {
            Some(Self::Clock)
        } else if says(&["signature is invalid", "cryptographic"]) {
            Some(Self::Signature)
        } else {
            None
        }
    }
}

fn refused(checked: Checked, key: &str, words: &str, refusal: Refusal) -> Checked {
    match refusal {
        Refusal::UnknownKey => checked.wrong(
            format!("LiveKit does not know the API key {key}."),
            format!("Add {key} to `keys` in LiveKit's configuration, or set LIVEKIT_API_KEY and LIVEKIT_API_SECRET to a key that is there."),
        ),
        Refusal::Clock => checked.wrong(
            format!("LiveKit refuses our token, although it is fresh: {words}."),
            "Let NTP set the clocks of both machines.",
        ),
        Refusal::Signature => checked.wrong(
            format!("LiveKit knows the API key {key}, but with another secret: {words}."),
            format!("Set the secret of {key} in LIVEKIT_API_SECRET or LIVEKIT_KEYS to that in LiveKit's configuration."),
        ),
    }
}

fn unexplained(checked: Checked, base: &str, status: StatusCode, words: &str) -> Checked {
    let code = status.as_u16();
    checked.wrong(
        format!("What answers at {base} refuses our token: {code} {words:?}."),
        "Look whether LiveKit answers there or a proxy that wants a password; if it is LiveKit, its log says more.",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_livekit_says_of_a_signature_is_a_wrong_secret() {
        for (words, expected) in [
            ("invalid API key: APIfirst", Some(Refusal::UnknownKey)),
            ("token has invalid claims: token is expired", Some(Refusal::Clock)),
            ("token has invalid claims: token is not valid yet", Some(Refusal::Clock)),
            ("token signature is invalid: signature is invalid", Some(Refusal::Signature)),
            ("go-jose/go-jose: error in cryptographic primitive", Some(Refusal::Signature)),
            ("permissions denied", None),
            ("invalid authorization token", None),
            ("Invalid token: your session expired, log in before you go on", None),
        ] {
            assert_eq!(Refusal::of(words), expected, "{words}");
        }
    }
}
