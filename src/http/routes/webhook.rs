//! `POST /api/livekit/webhook`: verified, read, stored, and kept for the history; and only then answered with 200.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use http_body_util::BodyExt;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};
use tracing::{debug, warn};

use crate::{
    error_chain::Chain,
    http::{
        limits::client_address::ClientAddress,
        metrics::WebhookOutcome,
        problem::Problem,
        state::{Http, HttpState},
    },
    livekit::{
        BodyMismatch, MalformedWebhook, Report, TokenError, Webhook, WebhookName, WebhookToken,
    },
    presence::{Applied, HostTime, RoomName},
    store::{FeedEvent, Kept, StoreError},
    webhook_log::Noted,
};

/// LiveKit's own limits allow half a mebibyte of metadata for the room, and as much for the participant. Escaping can double
/// both.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// A webhook is answered within this time: LiveKit has no timeout for the answer, and sends the room's next webhook only after
/// it.
pub(in crate::http) const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(4);

/// In the extensions of an answer: its peer sends LiveKit's webhooks. A webhook that was known before, or that the store does not
/// remember, proves nothing: somebody may have seen it on its way and send it again.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct SendsWebhooks;

/// The answer to a webhook that was taken.
pub(in crate::http) struct Taken(WebhookOutcome);

impl IntoResponse for Taken {
    fn into_response(self) -> Response {
        let mut response = ().into_response();
        if matches!(self.0, WebhookOutcome::Changed | WebhookOutcome::Unchanged) {
            response.extensions_mut().insert(SendsWebhooks);
        }
        response
    }
}

pub(in crate::http) async fn receive(
    State(http): State<Http>,
    address: ClientAddress,
    headers: HeaderMap,
    body: Body,
) -> Result<Taken, Problem> {
    answer(&http, address, &headers, body).await
}

/// Answers a webhook that comes from this address.
pub(in crate::http) async fn answer(
    http: &HttpState,
    address: ClientAddress,
    headers: &HeaderMap,
    body: impl HttpBody<Data = Bytes> + Unpin,
) -> Result<Taken, Problem> {
    let started = Instant::now();
    let mut noted = Noted::default();
    let taken = timeout(WEBHOOK_TIMEOUT, pin!(take(http, headers, body, &mut noted))).await;
    let kept = match taken.unwrap_or(Err(Rejection::TooSlow)) {
        Ok(stored) => keep(http, stored, started).await,
        Err(rejection) => Err(rejection),
    };
    let (name, outcome, answer) = match kept {
        Ok((name, outcome)) => (Some(name), outcome, Ok(Taken(outcome))),
        Err(refusal) => {
            let problem = refusal.into_problem(http, address);
            (None, problem.0, Err(problem.1))
        }
    };
    http.metrics.webhook(name, outcome, started.elapsed());
    let why = answer.as_ref().err().map(|problem| problem.detail().to_owned());
    http.observed.webhook_log.add(noted, outcome.as_str(), why, http.clock.now());
    answer
}

/// A webhook that the store has.
struct Stored {
    name: WebhookName,
    outcome: WebhookOutcome,
    /// The room that it is about; none for events that say nothing about who is in a room.
    room: Option<RoomName>,
}

/// Verifies the token before it reads the body, and the body's hash before it parses the body.
async fn take(
    http: &HttpState,
    headers: &HeaderMap,
    body: impl HttpBody<Data = Bytes> + Unpin,
    noted: &mut Noted,
) -> Result<Stored, Rejection> {
    let received_at = http.clock.now();
    let token = token(http, headers, received_at)?;
    let key_name = token.key_name().to_owned();
    let webhook = read(http, token, body, received_at, noted).await?;
    debug!(webhook.event = webhook.name.as_str(), "received a webhook");
    let Some(event) = webhook.event else {
        if let Some(report) = webhook.report {
            http.store.log_event(as_event(report)).await?;
        }
        let outcome = WebhookOutcome::Ignored;
        return Ok(Stored { name: webhook.name, outcome, room: None });
    };
    let unstored = Unstored { http, room: Some(&event.room) };
    let (applied, is_of_banned) = http.store.apply(&event).await?.apart_from_ban();
    unstored.arrived();
    noted.did(&applied, event.whose(), is_of_banned);
    if is_of_banned {
        http.bans.entered(&event);
    }
    http.hub.webhook_signed(&event, &key_name);
    if applied == Applied::Unexpected {
        http.hub.suspect(&event.room);
    }
    let outcome = match applied {
        Applied::Changed(_) => WebhookOutcome::Changed,
        Applied::Unchanged | Applied::Unexpected | Applied::OfBanned(_) => {
            WebhookOutcome::Unchanged
        }
        Applied::Duplicate => WebhookOutcome::Duplicate,
    };
    Ok(Stored { name: webhook.name, outcome, room: Some(event.room) })
}

/// Waits until the history has what was added for the webhook's room, also by an earlier attempt of a webhook that is repeated. Where
/// that would outlive this process there is nothing to wait for.
async fn keep(
    http: &HttpState,
    stored: Stored,
    started: Instant,
) -> Result<(WebhookName, WebhookOutcome), Rejection> {
    let Stored { name, outcome, room } = stored;
    let Some(room) = room else { return Ok((name, outcome)) };
    if let Some(outbox) = &http.outbox {
        let left = WEBHOOK_TIMEOUT.saturating_sub(started.elapsed());
        let is_repeated = matches!(outcome, WebhookOutcome::Duplicate);
        let refusal = match timeout(left, outbox.kept(&room, is_repeated)).await {
            Ok(Kept::Yes) => None,
            Ok(Kept::Lost) => Some(Rejection::NoRoom),
            Ok(Kept::NotNow) | Err(_) => Some(Rejection::NotKept),
        };
        if let Some(refusal) = refusal {
            // The list has it, but LiveKit drops webhooks that wait behind this one for too long.
            http.hub.webhook_refused(Some(&room));
            return Err(refusal);
        }
    }
    if http.webhook_outage.end() {
        http.hub.webhook_taken();
    }
    Ok((name, outcome))
}

/// For the log of events.
fn as_event(report: Report) -> FeedEvent {
    let Report { id, name, room, created_at, data } = report;
    FeedEvent::new(id.to_string(), name, room, &data, created_at.as_millis())
}

pub(in crate::http) fn token(
    http: &HttpState,
    headers: &HeaderMap,
    now: HostTime,
) -> Result<WebhookToken, Rejection> {
    let authorization = headers.get(header::AUTHORIZATION).ok_or(Rejection::NoToken)?;
    let authorization =
        authorization.to_str().map_err(|_| Rejection::Token(TokenError::Malformed))?;
    Ok(WebhookToken::verify(authorization, &http.keys, now.as_secs())?)
}

/// Reads the body that the token vouches for.
pub(in crate::http) async fn read(
    http: &HttpState,
    token: WebhookToken,
    body: impl HttpBody<Data = Bytes> + Unpin,
    received_at: HostTime,
    noted: &mut Noted,
) -> Result<Webhook, Rejection> {
    let body = ReadBody::read(body, http).await?;
    let verified = token.vouch_for(&body.bytes)?;
    noted.is_vouched_for = true;
    let webhook = verified.parse(received_at)?;
    noted.read(&webhook, body.bytes);
    Ok(webhook)
}

/// A webhook on its way into the store. If this is dropped before [`Self::arrived`], for instance because the caller gave up, the
/// hub has LiveKit asked about the room later.
struct Unstored<'webhook> {
    http: &'webhook HttpState,
    room: Option<&'webhook RoomName>,
}

impl Unstored<'_> {
    fn arrived(mut self) {
        self.room = None;
    }
}

impl Drop for Unstored<'_> {
    fn drop(&mut self) {
        if self.room.is_some() {
            self.http.hub.webhook_refused(self.room);
        }
    }
}

/// A body, with the memory that is counted for it.
struct ReadBody {
    bytes: Vec<u8>,
    reserved: Option<OwnedSemaphorePermit>,
}

impl ReadBody {
    async fn read(
        mut body: impl HttpBody<Data = Bytes> + Unpin,
        http: &HttpState,
    ) -> Result<Self, Rejection> {
        let mut read = Self { bytes: Vec::new(), reserved: None };
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Rejection::BodyBroken)?.into_data() else { continue };
            if read.bytes.len() + data.len() > MAX_BODY_BYTES {
                return Err(Rejection::TooLarge);
            }
            let more = http.limits.reserve_body(data.len()).ok_or(Rejection::NoMemory)?;
            match &mut read.reserved {
                Some(reserved) => reserved.merge(more),
                None => read.reserved = Some(more),
            }
            read.bytes.extend_from_slice(&data);
        }
        Ok(read)
    }
}

/// Logs a refusal, at most once a minute: anybody can post something else, and LiveKit repeats its mistakes.
fn log_refusal(http: &HttpState, reason: &str) {
    if let Some(more) = http.limits.webhook_log.unsaid(reason.to_owned(), Instant::now()) {
        warn!(reason, more, "refused a webhook (logged once a minute)");
    }
}

/// The problem for a webhook that LiveKit sends again.
fn unavailable(
    http: &HttpState,
    detail: String,
    cause: impl ToString,
) -> (WebhookOutcome, Problem) {
    let problem = Problem::unavailable(detail, http.webhook_outage.retry_after());
    (WebhookOutcome::Unavailable, problem.because(cause))
}

/// The problem for a webhook that the list has, and the history has not. LiveKit's next attempt comes soon: the room's later
/// webhooks wait behind this one, and are dropped if that takes too long.
fn listed(http: &HttpState, detail: String, cause: &str) -> (WebhookOutcome, Problem) {
    http.webhook_outage.begin();
    (WebhookOutcome::Unavailable, Problem::unavailable(detail, 1).because(cause))
}

/// Why a webhook was not taken.
#[derive(Debug, thiserror::Error)]
pub(in crate::http) enum Rejection {
    #[error("a webhook needs LiveKit's token in `Authorization`")]
    NoToken,
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Body(#[from] BodyMismatch),
    #[error(transparent)]
    Malformed(#[from] MalformedWebhook),
    #[error("a webhook's body has at most {MAX_BODY_BYTES} bytes")]
    TooLarge,
    #[error("the body ended before it was whole")]
    BodyBroken,
    #[error("too many webhooks are being read at the moment; send it again")]
    NoMemory,
    #[error("the webhook did not arrive, or could not be stored, in time; send it again")]
    TooSlow,
    #[error(
        "the history cannot keep the webhook at the moment, though the list has it; send it again"
    )]
    NotKept,
    #[error("the history had no room for the webhook; the list has it")]
    NoRoom,
    #[error("the webhook cannot be stored at the moment; send it again")]
    Store(#[from] StoreError),
}

/// What the log says of them.
const NOT_KEPT: &str = "the database of `history.url` does not take it; the list has it, and it will be written when the database \
    is back, but LiveKit drops webhooks that wait behind it for too long: only `livekit.url` (LIVEKIT_URL) makes up for those";
const NO_ROOM: &str = "more than `history.outbox` steps wait for the database of `history.url`, so that this one was dropped; the \
    list has it, and its session will be found later, at the best known time";

impl Rejection {
    /// 503 makes LiveKit send the webhook again, 4xx does not.
    fn into_problem(self, http: &HttpState, address: ClientAddress) -> (WebhookOutcome, Problem) {
        let detail = self.to_string();
        match self {
            Self::NoToken | Self::Token(_) | Self::Body(_) => {
                match http.limits.refused_webhooks.take(address, Instant::now()) {
                    Ok(()) => {
                        log_refusal(http, &detail);
                        (WebhookOutcome::Unauthorized, Problem::unauthorized(detail))
                    }
                    Err(wait) => {
                        let detail =
                            "too many webhooks from this address were refused; check its API key";
                        (WebhookOutcome::Limited, Problem::too_many(detail, wait.as_secs() + 1))
                    }
                }
            }
            Self::Malformed(_) | Self::BodyBroken => {
                log_refusal(http, &detail);
                (WebhookOutcome::Malformed, Problem::bad_request(detail))
            }
            Self::TooLarge => {
                log_refusal(http, &detail);
                (WebhookOutcome::TooLarge, Problem::too_large(detail))
            }
            Self::NoMemory => {
                http.hub.webhook_refused(None);
                unavailable(http, detail, "no memory for its body; raise `limits.body_bytes`")
            }
            Self::TooSlow => {
                unavailable(http, detail, "it took too long; LiveKit will send it again")
            }
            Self::NotKept => listed(http, detail, NOT_KEPT),
            Self::NoRoom => listed(http, detail, NO_ROOM),
            Self::Store(error) => unavailable(http, detail, Chain(&error)),
        }
    }
}
