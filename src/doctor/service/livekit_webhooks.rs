//! Whether LiveKit's own webhooks arrive: it is asked to make and to delete a room.

use std::time::{Duration, Instant};

use axum::http::{Response, StatusCode};
use hyper::body::Bytes;

use crate::{
    doctor::{
        finding::{Check, Checked},
        livekit::{LiveKit, words_of},
    },
    http_client::ExchangeError,
};

use super::{Service, WEBHOOK_PATH, feed::Heard};

pub(super) async fn check(
    service: &Service,
    livekit: Option<&LiveKit>,
    heard: &Heard,
    wait: Duration,
) -> Checked {
    let Some(livekit) = livekit else {
        return Checked::skipped(Check::LiveKitWebhooks, "`livekit.url` (LIVEKIT_URL) is empty");
    };
    let room = format!("livekit-presence-doctor-{:016x}", fastrand::u64(..));
    if let Some(why) = refusal(&livekit.create_room(&room).await) {
        return Checked::skipped(Check::LiveKitWebhooks, format!("LiveKit made no room: {why}"));
    }
    let started = Instant::now();
    let deleted = livekit.delete_room(&room).await;
    let of_room = |event: &'static str| {
        let room = room.clone();
        heard.tells(wait, move |told| {
            told.event == event && told.room == room && told.source.is_empty()
        })
    };
    let (has_started, has_finished) =
        tokio::join!(of_room("room_started"), of_room("room_finished"));
    let checked = Checked::of(Check::LiveKitWebhooks);
    let checked = match refusal(&deleted) {
        Some(why) => checked.warning(
            format!("LiveKit did not delete the room {room}, which ends by itself: {why}."),
            "Look into LiveKit's log.",
        ),
        None => checked,
    };
    match (has_started, has_finished) {
        (true, true) => checked
            .saying(format!("those of a room arrived after {} ms", started.elapsed().as_millis())),
        (true, false) | (false, true) => checked.warning(
            format!("Of the two webhooks of a room one arrived within {wait:?}."),
            "Look whether `webhook.filter_params` in LiveKit's configuration leaves some out, and into the service's log.",
        ),
        (false, false) => none_arrived(checked, service, heard, livekit.key_name(), wait),
    }
}

fn none_arrived(
    checked: Checked,
    service: &Service,
    heard: &Heard,
    key: &str,
    wait: Duration,
) -> Checked {
    if let Some(refusal) = heard.refusal() {
        return Checked::skipped(
            Check::LiveKitWebhooks,
            format!("what the service takes is not seen: {refusal}"),
        );
    }
    checked.wrong(
        format!("LiveKit made and deleted a room, and no webhook of that arrived within {wait:?}."),
        format!(
            "Write `webhook: {{api_key: {key}, urls: [{}{WEBHOOK_PATH}]}}` into LiveKit's configuration, with an address that LiveKit reaches and a key that the service has; LiveKit's log and the service's say whether one was sent and refused.",
            service.base
        ),
    )
}

fn refusal(answer: &Result<Response<Bytes>, ExchangeError>) -> Option<String> {
    match answer {
        Ok(answer) if answer.status() == StatusCode::OK => None,
        Ok(answer) => Some(format!("{} {}", answer.status().as_u16(), words_of(answer.body()))),
        Err(error) => Some(error.to_string()),
    }
}
