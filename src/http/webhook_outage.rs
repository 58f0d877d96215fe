//! How long webhooks could not be stored.

use std::{
    sync::{Mutex, MutexGuard},
    time::Instant,
};

/// The longest `Retry-After`, in seconds. LiveKit makes five attempts, and waits between them as `Retry-After` says. Each wait is
/// about as long as the outage has lasted, up to this, so that together they are at least as long as LiveKit's own waits of 1, 2,
/// 4 and 8 s.
const MAX_RETRY_AFTER_SECS: u64 = 8;

/// When the service began to refuse webhooks because it could not store them.
#[derive(Debug, Default)]
pub struct WebhookOutage(Mutex<Option<Instant>>);

impl WebhookOutage {
    /// Ends the outage, and tells whether there was one.
    pub(super) fn end(&self) -> bool {
        self.since().take().is_some()
    }

    /// Begins the outage, if there is none.
    pub(super) fn begin(&self) {
        self.since().get_or_insert_with(Instant::now);
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
