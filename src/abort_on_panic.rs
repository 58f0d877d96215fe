//! Ends the process when one of its vital threads or tasks panics. Otherwise the process would seem to work, while some browsers
//! silently got nothing more. The supervisor starts the process again, and the browsers come back.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process,
};

use futures_util::FutureExt;
use tracing::error;

/// Runs what a thread does to its end. `what` names it in the log.
pub(crate) fn thread(what: &str, run: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(run)).is_err() {
        abort(what);
    }
}

/// Runs what a task does to its end. `what` names it in the log.
pub(crate) async fn task(what: &str, run: impl Future<Output = ()>) {
    if AssertUnwindSafe(run).catch_unwind().await.is_err() {
        abort(what);
    }
}

fn abort(what: &str) -> ! {
    // The process ends even if logging panics.
    let _ = catch_unwind(|| error!("{what} failed; ending the process"));
    process::abort()
}
