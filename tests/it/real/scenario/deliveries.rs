//! The webhooks that LiveKit has sent, as the fault proxy saw them.

use std::time::Instant;

use base64::Engine as _;
use serde_json::Value;
use tokio::sync::watch;

use crate::harness::WAIT_TIMEOUT;

/// One of LiveKit's attempts to deliver a webhook.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub at: Instant,
    pub event: String,
    pub room: String,
    pub identity: String,
    pub sid: String,
    /// Why somebody left.
    pub reason: String,
    /// The name of the key that signed it.
    pub key: String,
    /// The status that LiveKit got; none if its connection was closed instead.
    pub answered: Option<u16>,
}

impl Delivery {
    pub fn read(authorization: &str, body: &[u8], at: Instant) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            at,
            event: text(&body["event"]),
            room: text(&body["room"]["name"]),
            identity: text(&body["participant"]["identity"]),
            sid: text(&body["participant"]["sid"]),
            reason: text(&body["participant"]["disconnectReason"]),
            key: text(&claims(authorization)["iss"]),
            answered: None,
        }
    }

    pub fn is(&self, event: &str, identity: &str) -> bool {
        self.event == event && self.identity == identity
    }
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap_or_default();
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload);
    payload.ok().and_then(|payload| serde_json::from_slice(&payload).ok()).unwrap_or_default()
}

/// All attempts, in the order of their answers.
pub struct Deliveries(watch::Sender<Vec<Delivery>>);

impl Default for Deliveries {
    fn default() -> Self {
        Self(watch::Sender::new(Vec::new()))
    }
}

impl Deliveries {
    pub fn add(&self, delivery: Delivery) {
        self.0.send_modify(|deliveries| deliveries.push(delivery));
    }

    pub fn all(&self) -> Vec<Delivery> {
        self.0.borrow().clone()
    }

    pub fn matching(&self, wanted: impl Fn(&Delivery) -> bool) -> Vec<Delivery> {
        self.0.borrow().iter().filter(|one| wanted(one)).cloned().collect()
    }

    /// Waits until `count` attempts match, and returns those that do.
    pub async fn until(
        &self,
        what: &str,
        count: usize,
        wanted: impl Fn(&Delivery) -> bool,
    ) -> Vec<Delivery> {
        let mut seen = self.0.subscribe();
        let enough = seen.wait_for(|all| all.iter().filter(|one| wanted(one)).count() >= count);
        let came = tokio::time::timeout(WAIT_TIMEOUT, enough).await.is_ok();
        assert!(came, "waited {WAIT_TIMEOUT:?} for {what}; there were {:#?}", self.all());
        self.matching(wanted)
    }
}
