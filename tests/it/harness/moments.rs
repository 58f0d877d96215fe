//! Webhooks of what happens at the time of the test, which a history keeps by the clock.

use std::time::Duration;

use livekit_presence::clock::Clock;
use serde_json::json;

use super::{WebhookBody, joined};

pub fn now_ms() -> u64 {
    Clock::system().now().as_millis()
}

/// A webhook of something that happens now.
pub fn now(webhook: WebhookBody) -> WebhookBody {
    webhook.created_at_ms(now_ms())
}

/// The join of somebody who has been inside for this long.
pub fn joined_before(identity: &str, time: Duration) -> WebhookBody {
    let joined_at_ms = now_ms() - u64::try_from(time.as_millis()).unwrap();
    now(joined(identity)).with("joinedAtMs", json!(joined_at_ms.to_string()))
}
