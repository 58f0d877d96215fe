//! For threads and tasks without which the process would go on only in appearance: some browsers would silently hear nothing
//! more. When one of them panics the process ends. The supervisor starts it again, and the browsers come back.

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
    // Whatever happens to the log.
    let _ = catch_unwind(|| error!("{what} failed; ending the process"));
    process::abort()
}
