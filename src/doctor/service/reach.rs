//! Whether the service answers at its address, and how requests reach it.

use std::net::SocketAddr;

use axum::http::{HeaderValue, Response, StatusCode, header};
use hyper::body::Bytes;
use hyper_util::client::legacy::connect::HttpInfo;
use serde::Deserialize;

use crate::doctor::{
    finding::{Check, Checked},
    unreachable,
};

use super::{Service, problem};

const TARGET: &str = "/api/livekit/diagnosis";
/// An address for documentation (RFC 5737), which nobody has. What the service makes of it shows whom it believes.
pub(super) const MADE_UP_ADDRESS: &str = "192.0.2.77";
const TOKEN_NEEDED: &str = "a LiveKit access token is needed";

/// How the service saw a request of ours.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Diagnosis {
    version: String,
    time: u64,
    pub client: String,
    pub peer: SocketAddr,
    pub peer_is_trusted: bool,
    pub forwarded_for: Vec<String>,
    pub http_version: String,
}

/// The service answers.
pub(super) struct Reached {
    pub diagnosis: Diagnosis,
    /// Our end of the socket.
    pub own: Option<SocketAddr>,
    /// Whether `Authorization` reached the service.
    pub takes_header: bool,
}

pub(super) async fn check(service: &Service) -> (Checked, Option<Reached>) {
    let bearer = format!("Bearer {}", service.operators_token());
    let forwarded = ("x-forwarded-for", MADE_UP_ADDRESS);
    let headers = [(header::AUTHORIZATION.as_str(), bearer.as_str()), forwarded];
    let answer = match service.get(TARGET, &headers).await {
        Ok(answer) => answer,
        Err(error) => {
            let checked = Checked::of(Check::Service).wrong(
                format!("The service gives no answer at {}: {error}.", service.base),
                unreachable::remedy(&error, address_of(service)),
            );
            return (checked, None);
        }
    };
    let said = problem(answer.headers(), answer.body()).unwrap_or_default();
    let lacks_header = answer.status() == StatusCode::UNAUTHORIZED && said.contains(TOKEN_NEEDED);
    if !lacks_header {
        return judge(service, answer, true);
    }
    let target = format!("{TARGET}?access_token={}", service.operators_token());
    match service.get(&target, &[forwarded]).await {
        Ok(answer) => judge(service, answer, false),
        Err(_) => judge(service, answer, true),
    }
}

/// What an operator can correct.
fn address_of(service: &Service) -> &'static str {
    if service.is_public { "`--public-url` (`http.public_url`)" } else { "`http.bind`" }
}

fn judge(
    service: &Service,
    answer: Response<Bytes>,
    takes_header: bool,
) -> (Checked, Option<Reached>) {
    let checked = Checked::of(Check::Service);
    if answer.status() == StatusCode::OK
        && let Ok(diagnosis) = serde_json::from_slice::<Diagnosis>(answer.body())
    {
        let own = answer.extensions().get::<HttpInfo>().map(HttpInfo::local_addr);
        let checked = checked.saying(format!("release {} answers", diagnosis.version));
        let checked = with_clock(checked, service, &diagnosis);
        let checked = with_http_version(checked, &diagnosis);
        return (checked, Some(Reached { diagnosis, own, takes_header }));
    }
    (refused(service, checked, &answer), None)
}

fn with_clock(checked: Checked, service: &Service, diagnosis: &Diagnosis) -> Checked {
    let by = diagnosis.time.abs_diff(service.clock.now().as_millis()) / 1000;
    if by <= 30 {
        return checked;
    }
    checked.warning(
        format!("The service's clock and that of this machine differ by {by} s."),
        "Let NTP set the clocks of both machines: tokens are checked by them.",
    )
}

fn with_http_version(checked: Checked, diagnosis: &Diagnosis) -> Checked {
    if diagnosis.http_version != "1.0" {
        return checked;
    }
    checked.warning(
        "The proxy asks the service by HTTP/1.0, in which there are no WebSockets and no connection is used twice.",
        "Have it speak HTTP/1.1 to the service: `proxy_http_version 1.1;` in nginx.",
    )
}

fn refused(service: &Service, checked: Checked, answer: &Response<Bytes>) -> Checked {
    let (base, status) = (&service.base, answer.status());
    let code = status.as_u16();
    let own_words = problem(answer.headers(), answer.body());
    if let Some(words) = own_words {
        let remedy = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                "Start the service and this command with the same configuration, the API keys above all."
            }
            StatusCode::NOT_FOUND => {
                "Let the proxy hand paths on as they are, and run this command of the release that the service has."
            }
            _ => "Look into the service's log.",
        };
        return checked.wrong(
            format!("The service at {base} refuses a token of ours with {code}: {words}."),
            remedy,
        );
    }
    let location = answer.headers().get(header::LOCATION).map(HeaderValue::to_str);
    if let Some(Ok(location)) = location.filter(|_| status.is_redirection()) {
        let location = location.split(['?', '#']).next().unwrap_or_default();
        let end = location.find("/api/livekit").unwrap_or(location.len());
        return checked.wrong(
            format!("What answers at {base} redirects to another address, and LiveKit's webhooks become GETs on that way."),
            format!("Use the address behind it, {}, here and in `webhook.urls` in LiveKit's configuration.", &location[..end]),
        );
    }
    if matches!(code, 502..=504) {
        return checked.wrong(
            format!("The proxy at {base} does not reach the service: it answers {code}."),
            "Start the service, and correct the address that the proxy has of it.",
        );
    }
    checked.wrong(
        format!("What answers at {base} is not this service: it answers {code} to {TARGET}."),
        format!("Correct {}, or let the proxy hand /api/ on to the service.", address_of(service)),
    )
}
