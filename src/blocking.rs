//! Computes on a thread of its own what takes long. On a thread of the runtime webhooks and clients would wait for it.

use std::panic::resume_unwind;

use tokio::task::spawn_blocking;

/// Runs this to its end, also if nobody waits for it any more. A panic goes on in the caller.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime ends before it has begun, and its caller with it.
            Err(_) => std::future::pending().await,
        },
    }
}
