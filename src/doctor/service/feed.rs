//! Watches, through the service's own stream of events, which webhooks arrive there.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use serde::Deserialize;
use tokio::{
    sync::Notify,
    time::{sleep, timeout_at},
};

use crate::doctor::{
    deadline::within,
    finding::{Check, Checked},
    livekit::LiveKit,
};

use super::{
    ANSWER_TIMEOUT, GRACE, Service, event_stream::EventStream, livekit_webhooks, webhooks,
};

/// LiveKit's webhooks are there in milliseconds, or after its first retries.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// The feed usually opens in milliseconds. One that is held back is open at the service all the same.
const OPENING: Duration = Duration::from_millis(1_500);
/// Between two attempts, where something cuts the feed.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// An event of the feed.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Told {
    #[serde(default)]
    pub id: String,
    #[serde(default)]
    pub event: String,
    #[serde(default)]
    pub room: String,
    /// Empty for what a webhook told.
    #[serde(default)]
    pub source: String,
}

/// What was heard of the service.
#[derive(Default)]
pub(super) struct Heard {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    is_open: bool,
    /// Why there is no feed.
    refusal: Option<String>,
    told: Vec<Told>,
}

impl Heard {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().expect("nothing panics while it is locked"));
        self.changed.notify_waiters();
    }

    fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().expect("nothing panics while it is locked"))
    }

    /// Whether something was true of what was heard, before the time was over.
    async fn until(&self, limit: Duration, mut holds: impl FnMut(&State) -> bool) -> bool {
        let until = Instant::now() + limit;
        loop {
            let changed = self.changed.notified();
            if self.look(&mut holds) {
                return true;
            }
            if timeout_at(until.into(), changed).await.is_err() {
                return self.look(holds);
            }
        }
    }

    /// Whether an event was told before the time was over, or, where the feed is held back, when it ended.
    pub async fn tells(&self, wait: Duration, is_it: impl Fn(&Told) -> bool) -> bool {
        self.until(wait + GRACE, |state| state.told.iter().any(&is_it)).await
    }

    /// Why nothing can be heard.
    pub fn refusal(&self) -> Option<String> {
        self.look(|state| state.refusal.clone().filter(|_| !state.is_open))
    }
}

/// Sends a webhook, has LiveKit send some, and says whether they arrive.
pub(super) async fn check_webhooks(
    service: &Service,
    livekit: Option<&LiveKit>,
    patience: Duration,
) -> [Checked; 2] {
    let wait = patience.min(MAX_WAIT);
    // Each waits for two answers beside what arrives: two webhooks, or a room that is made and deleted.
    let limit = wait + GRACE + ANSWER_TIMEOUT * 2 + RETRY_DELAY;
    let heard = Heard::default();
    let checking = async {
        heard.until(OPENING, |state| state.is_open || state.refusal.is_some()).await;
        let (own, livekits) = tokio::join!(
            within(limit, Check::Webhooks, webhooks::check(service, &heard, wait)),
            within(
                limit,
                Check::LiveKitWebhooks,
                livekit_webhooks::check(service, livekit, &heard, wait)
            ),
        );
        [own, livekits]
    };
    tokio::select! {
        checked = checking => checked,
        never = follow(service, &heard, wait) => match never {},
    }
}

/// Follows the feed, and opens it again where something cuts it.
async fn follow(service: &Service, heard: &Heard, wait: Duration) -> std::convert::Infallible {
    let names = "event=livekit_presence_doctor&event=room_started&event=room_finished";
    let mut last_id = String::new();
    loop {
        let token = service.token(wait);
        let target = format!("/api/events?{names}&access_token={token}");
        let headers = [("last-event-id", last_id.as_str())];
        let headers = if last_id.is_empty() { &[][..] } else { &headers };
        match service.open(&target, headers, wait + OPENING + GRACE).await {
            Ok(answer) if answer.status() == StatusCode::OK => {
                let mut stream = EventStream::new(answer.into_body());
                while let Some(messages) = stream.next().await {
                    for message in messages {
                        last_id = message.id;
                        let told: Told = serde_json::from_str(&message.data).unwrap_or_default();
                        heard.change(|state| state.told.push(told));
                    }
                    let is_early =
                        |state: &State| state.told.iter().any(|told| told.event == "connected");
                    heard.change(|state| state.is_open |= is_early(state));
                }
            }
            Ok(answer) => {
                let code = answer.status().as_u16();
                heard.change(|state| state.refusal = Some(format!("its feed is answered {code}")));
            }
            Err(error) => heard.change(|state| state.refusal = Some(error.to_string())),
        }
        sleep(RETRY_DELAY).await;
    }
}
