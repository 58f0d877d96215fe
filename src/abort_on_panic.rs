//! For threads and tasks without which the process would go on only in appearance.

use std::{process, thread};

use tracing::error;

/// Ends the process when its holder panics. Half a service is worse than none: some browsers would silently hear nothing
/// more. Whoever runs the process starts it again, and the browsers come back.
#[derive(Debug)]
pub(crate) struct AbortOnPanic {
    /// Who failed, for the log.
    pub what: &'static str,
}

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            error!("{} failed; ending the process", self.what);
            process::abort();
        }
    }
}
