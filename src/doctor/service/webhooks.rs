//! Whether a webhook arrives: one that this command signs, through the public address. It tells of nothing that a room would have.

use std::time::Duration;

use axum::http::{Response, StatusCode};
use hyper::body::Bytes;

use crate::{
    doctor::finding::{Check, Checked},
    http_client::ExchangeError,
};

use super::{Service, WEBHOOK_PATH, feed::Heard, problem};

/// Webhooks of rooms and people with large metadata are larger than what some proxies take.
const LARGE_BYTES: usize = 1_500_000;
const KEYS_REMEDY: &str = "Start the service and this command with the same API keys.";

pub(super) async fn check(service: &Service, heard: &Heard, wait: Duration) -> Checked {
    let id = test_id();
    let checked = match service.post_webhook(test_webhook(service, &id, 0)).await {
        Ok(answer) if answer.status() == StatusCode::OK => arrival(service, heard, wait, &id).await,
        Ok(answer) => return refused(&answer),
        Err(error) => return unanswered(&error),
    };
    with_large(checked, service).await
}

pub(super) fn test_id() -> String {
    format!("EV_doctor_{:016x}", fastrand::u64(..))
}

/// An event of no kind that the service knows. White space, escapes and a letter that is not ASCII would not survive being written
/// anew.
pub(super) fn test_webhook(service: &Service, id: &str, padding: usize) -> Bytes {
    let now = service.clock.now().as_secs();
    let padding = "x".repeat(padding);
    let body = format!(
        r#"{{"event":"livekit_presence_doctor",  "id":"{id}","createdAt":"{now}", "note":"\u00e9 é \/ %20+ {padding}"}} "#
    );
    Bytes::from(body)
}

async fn arrival(service: &Service, heard: &Heard, wait: Duration, id: &str) -> Checked {
    let checked = Checked::of(Check::Webhooks);
    if heard.tells(wait, |told| told.id == id).await {
        return checked.saying("a signed webhook arrives, byte for byte");
    }
    if let Some(refusal) = heard.refusal() {
        return checked.warning(
            format!(
                "A webhook is answered 200, but whether the service took it is not seen: {refusal}."
            ),
            "Mend what is wrong with streams first, and run this command again.",
        );
    }
    checked.wrong(
        format!(
            "A webhook sent to {}{WEBHOOK_PATH} is answered 200, and does not reach the service that streams its events there.",
            service.base
        ),
        "Have the proxy send webhooks and everything else to the same service, whose instances share one Redis and one `store.key_prefix`.",
    )
}

async fn with_large(checked: Checked, service: &Service) -> Checked {
    let id = test_id();
    let answer = service.post_webhook(test_webhook(service, &id, LARGE_BYTES)).await;
    let is_too_large = answer.is_ok_and(|answer| answer.status() == StatusCode::PAYLOAD_TOO_LARGE);
    if !is_too_large {
        return checked;
    }
    checked.warning(
        "The proxy refuses webhooks of more than a megabyte (413), which rooms and people with large metadata have.",
        "Have it take bodies of 5 MiB: `client_max_body_size 5m;` in nginx.",
    )
}

fn unanswered(error: &ExchangeError) -> Checked {
    Checked::of(Check::Webhooks).wrong(
        format!("A webhook gets no answer: {error}."),
        "Let the proxy hand POSTs on to the service.",
    )
}

fn refused(answer: &Response<Bytes>) -> Checked {
    let code = answer.status().as_u16();
    match problem(answer.headers(), answer.body()) {
        Some(words) => refused_by_service(answer.status(), &words),
        None if answer.status().is_redirection() => Checked::of(Check::Webhooks).wrong(
            format!("A webhook is redirected ({code}), and LiveKit makes a GET without a body of it."),
            "Write the address behind the redirect into `webhook.urls` in LiveKit's configuration.",
        ),
        None => Checked::of(Check::Webhooks).wrong(
            format!("Something before the service refuses a webhook with {code}."),
            format!("Have the proxy hand POST {WEBHOOK_PATH} on to the service, without a password and as it is."),
        ),
    }
}

fn refused_by_service(status: StatusCode, words: &str) -> Checked {
    let checked = Checked::of(Check::Webhooks);
    let says = |what: &str| words.contains(what);
    if says("needs LiveKit's token") {
        return checked.wrong(
            "A webhook arrives without its `Authorization`: the proxy drops that header.",
            "Let it hand the header on: remove `proxy_set_header Authorization \"\";` from nginx, and what asks for a password from this path.",
        );
    }
    if says("not the one that was signed") {
        return checked.wrong(
            "A webhook arrives with another body than the one that was signed: something on the way rewrites it.",
            "Have the proxy hand bodies on byte for byte: no decoding, no filter, no WAF that cleans JSON.",
        );
    }
    if says("not configured here") || says("does not fit its API key") {
        return checked.wrong(
            format!("The service refuses a webhook that was signed with our key: {words}."),
            KEYS_REMEDY,
        );
    }
    if says("expired") || says("not valid yet") {
        return checked.wrong(
            format!("The service refuses a webhook that was just signed: {words}."),
            "Let NTP set the clocks of both machines.",
        );
    }
    if status == StatusCode::NOT_FOUND || status == StatusCode::METHOD_NOT_ALLOWED {
        return checked.wrong(
            format!("A webhook sent to {WEBHOOK_PATH} arrives at another path, where the service takes none: the proxy rewrites paths."),
            "Have it hand paths on as they are: no `rewrite`, and `proxy_pass http://presence;` without a path behind it in nginx.",
        );
    }
    let code = status.as_u16();
    checked.wrong(
        format!("The service refuses a webhook with {code}: {words}."),
        "Look into the service's log, which says why.",
    )
}
