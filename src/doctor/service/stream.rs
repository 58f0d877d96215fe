//! Whether a stream goes through what is before the service as the service writes it: at once, unpacked, and for as long as it is
//! open.

use std::time::{Duration, Instant};

use axum::http::{HeaderMap, Response, StatusCode, header};
use hyper::body::Incoming;
use tokio::time::{sleep, timeout, timeout_at};

use crate::{
    config::Config,
    doctor::finding::{Check, Checked},
    http_client::read_body,
};

use super::{
    ANSWER_TIMEOUT, GRACE, Service,
    event_stream::EventStream,
    problem,
    webhooks::{test_id, test_webhook},
};

/// Through a proxy that holds nothing back, the first message of a stream is there long before.
const HELD_BACK: Duration = Duration::from_millis(2_400);
/// When the service is made to write.
const WRITE_DELAY: Duration = Duration::from_millis(500);
/// A problem of the service is shorter.
const MAX_REFUSAL_BYTES: usize = 64 * 1024;
/// What browsers accept.
const ENCODINGS: &str = "gzip, deflate, br, zstd";

/// What was seen of a stream.
#[derive(Debug, Default)]
struct Seen {
    /// When the first message was there.
    first: Option<Duration>,
    /// When the message was there that this check had the service write.
    written: Option<Duration>,
    /// How long that took; none if it never came, because the service took no webhook, or the stream was cut.
    delay: Option<Duration>,
    /// When the stream ended, or was given up.
    ended: Duration,
    /// The reason that the service gave.
    reason: Option<String>,
}

pub(super) async fn check(service: &Service, config: &Config, patience: Duration) -> Checked {
    // Tokens end with a second.
    let life = Duration::from_secs(patience.as_secs().max(2) + 1);
    let token = service.token(life);
    let target = format!("/api/events?event=livekit_presence_doctor&access_token={token}");
    let headers = [("accept-encoding", ENCODINGS), ("accept", "text/event-stream")];
    let started = Instant::now();
    let checked = Checked::of(Check::Stream);
    match service.open(&target, &headers, life + GRACE).await {
        Ok(answer) if answer.status() == StatusCode::OK => {
            let checked = judge_head(checked, answer.headers());
            if !checked.findings.is_empty() {
                return checked;
            }
            let seen = watch(service, answer, started, started + life + GRACE).await;
            judge(checked, &seen, life, config)
        }
        Ok(answer) if answer.status() == StatusCode::NO_CONTENT => {
            Checked::skipped(Check::Stream, "streams are off (`stream.enabled`)")
        }
        Ok(answer) => refused(checked, answer).await,
        Err(error) => checked.wrong(
            format!("A stream does not begin: {error}."),
            "Have the proxy hand answers on as they come, as config/nginx.conf does.",
        ),
    }
}

async fn refused(checked: Checked, answer: Response<Incoming>) -> Checked {
    let (head, body) = answer.into_parts();
    let body = timeout(ANSWER_TIMEOUT, read_body(body, MAX_REFUSAL_BYTES)).await;
    let body = body.ok().and_then(Result::ok).unwrap_or_default();
    let code = head.status.as_u16();
    match problem(&head.headers, &body) {
        Some(words) => checked.wrong(
            format!("The service refuses a stream with {code}: {words}."),
            "Do what it says, or raise the limit that it names.",
        ),
        None => checked.wrong(
            format!("Something before the service refuses a stream with {code}."),
            "Have it hand GETs below /api/ on to the service.",
        ),
    }
}

fn judge_head(checked: Checked, headers: &HeaderMap) -> Checked {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (encoding, kind) = (text(header::CONTENT_ENCODING), text(header::CONTENT_TYPE));
    if !encoding.is_empty() && encoding != "identity" {
        return checked.wrong(
            format!("A proxy packs streams ({encoding}), and holds messages back to do so."),
            "Take text/event-stream out of what it packs (`gzip_types` in nginx), or turn that off for /api/.",
        );
    }
    if !kind.starts_with("text/event-stream") {
        return checked.wrong(
            format!("A stream arrives as {kind:?} instead of text/event-stream, so that browsers refuse it."),
            "Have the proxy leave `Content-Type` as it is.",
        );
    }
    checked
}

/// Reads a stream to its end, and has the service write into it meanwhile: what comes with the head gets through where later
/// messages do not.
async fn watch(
    service: &Service,
    answer: Response<Incoming>,
    started: Instant,
    until: Instant,
) -> Seen {
    let id = test_id();
    let causing = async {
        sleep(WRITE_DELAY).await;
        let sent = started.elapsed();
        let answer = service.post_webhook(test_webhook(service, &id, 0)).await;
        answer.is_ok_and(|answer| answer.status() == StatusCode::OK).then_some(sent)
    };
    let reading = async {
        let mut stream = EventStream::new(answer.into_body());
        let mut seen = Seen::default();
        while let Ok(Some(messages)) = timeout_at(until.into(), stream.next()).await {
            for message in messages {
                seen.first.get_or_insert(started.elapsed());
                if message.event == "end" {
                    seen.reason = Some(message.data);
                } else if message.data.contains(&id) {
                    seen.written = Some(started.elapsed());
                }
            }
        }
        seen.ended = started.elapsed();
        seen
    };
    let (sent, mut seen) = tokio::join!(causing, reading);
    seen.delay = sent.zip(seen.written).map(|(sent, written)| written.saturating_sub(sent));
    seen
}

fn judge(checked: Checked, seen: &Seen, life: Duration, config: &Config) -> Checked {
    let checked = judge_delay(checked, seen);
    if !checked.findings.is_empty() {
        return checked;
    }
    let (ended, heartbeat) = (secs(seen.ended), config.stream.heartbeat);
    match &seen.reason {
        None if seen.ended < life + GRACE => checked.wrong(
            format!("A stream was cut after {ended}, and not by the service."),
            format!(
                "Raise the time after which the proxy ends a silent connection (`proxy_read_timeout` in nginx) above `stream.heartbeat`, which is {heartbeat:?}."
            ),
        ),
        Some(reason) if !reason.contains("expired") => Checked::skipped(
            Check::Stream,
            format!("the service ended the stream after {ended}: {reason}"),
        ),
        Some(_) | None => {
            let first = seen.first.unwrap_or_default().as_millis();
            let hint = if life > heartbeat + WRITE_DELAY * 2 {
                String::new()
            } else {
                format!("; whether silence is cut before {heartbeat:?} have passed is seen with --patience {:?}", heartbeat + GRACE)
            };
            checked.saying(format!(
                "the first message came after {first} ms, and the stream stayed open for {ended}{hint}"
            ))
        }
    }
}

/// Whether messages come when they are written.
fn judge_delay(checked: Checked, seen: &Seen) -> Checked {
    let remedy = "Turn its buffering off: `proxy_buffering off;` in nginx, without `proxy_ignore_headers X-Accel-Buffering`; `flush_interval -1` in Caddy.";
    let Some(first) = seen.first else {
        let ended = secs(seen.ended);
        return checked.wrong(
            format!(
                "Of a stream nothing arrived within {ended}: a proxy holds it back, or cuts it."
            ),
            remedy,
        );
    };
    let written = seen.delay.unwrap_or_default();
    if first.max(written) < HELD_BACK {
        return checked;
    }
    checked.wrong(
        format!(
            "Messages of a stream arrive {} late: a proxy holds back what the service writes at once.",
            secs(first.max(written))
        ),
        remedy,
    )
}

fn secs(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
