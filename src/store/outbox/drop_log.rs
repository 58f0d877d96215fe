//! The line in the log that says that an outbox is full.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use tracing::warn;

/// Between two lines.
const INTERVAL: Duration = Duration::from_mins(1);

/// When it was last said.
#[derive(Debug, Default)]
pub(in crate::store) struct DropLog(Mutex<Option<Instant>>);

impl DropLog {
    /// Items were dropped, `max` may wait.
    pub fn dropped(&self, max: usize) {
        if self.is_due(Instant::now()) {
            warn!(
                history.outbox = max,
                "the history's outbox is full, so that its oldest items are dropped (logged once a minute); bring back the database of `history.url`, or raise `history.outbox`"
            );
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        let mut said_at = self.0.lock().expect("nothing panics while it is locked");
        let is_due = said_at.is_none_or(|said_at| now.duration_since(said_at) >= INTERVAL);
        if is_due {
            *said_at = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_outbox_is_told_of_at_once_and_then_each_minute() {
        let log = DropLog::default();
        let began = Instant::now();
        for (secs, expected) in [(0, true), (1, false), (59, false), (60, true), (61, false)] {
            assert_eq!(log.is_due(began + Duration::from_secs(secs)), expected, "{secs}");
        }
    }
}
