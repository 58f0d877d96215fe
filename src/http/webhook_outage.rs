//! How long webhooks could not be stored.

use std::{
    sync::{Mutex, MutexGuard},
    time::Instant,
};

/// LiveKit makes five attempts, and waits between them as `Retry-After` says. The first wait is the shortest, in seconds, and
/// each is as long as webhooks have been refused until then, so that together they outlast LiveKit's own 1, 2, 4, 8 s.
const MAX_RETRY_AFTER_SECS: u64 = 8;

/// Since when webhooks have been refused because they could not be stored.
#[derive(Debug, Default)]
pub struct WebhookOutage(Mutex<Option<Instant>>);

impl WebhookOutage {
    /// Tells whether they had been.
    pub(super) fn end(&self) -> bool {
        self.since().take().is_some()
    }

    /// What to say in `Retry-After`, in seconds.
    pub(super) fn retry_after(&self) -> u64 {
        let since = *self.since().get_or_insert_with(Instant::now);
        (since.elapsed().as_secs() + 1).min(MAX_RETRY_AFTER_SECS)
    }

    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().expect("nothing panics while it is locked")
    }
}
