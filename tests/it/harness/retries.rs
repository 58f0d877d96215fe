//! How LiveKit repeats a webhook, by the rules of `webhook/resource_url_notifier.go` in livekit/protocol.

use std::time::Duration;

use hyper::{HeaderMap, header};

/// LiveKit's waits between its attempts, where the answer names no other.
pub const RETRY_WAITS: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// After this many attempts LiveKit drops a webhook.
pub const ATTEMPTS: usize = RETRY_WAITS.len() + 1;

/// Whether LiveKit repeats a webhook after an answer with this status. After any other it counts the webhook as sent.
pub fn is_retried(status: u16) -> bool {
    status == 429 || status >= 500 && status != 501
}

/// The time that an answer names, and that LiveKit honours instead of its own wait: on 429 and 503 only.
pub fn retry_after(status: u16, headers: &HeaderMap) -> Option<Duration> {
    let secs = headers.get(header::RETRY_AFTER).filter(|_| matches!(status, 429 | 503))?;
    Some(Duration::from_secs(secs.to_str().unwrap().parse().unwrap()))
}
