//! Waiting for an event, with a deadline.

use std::time::Duration;

/// The deadline for the service. It needs longer only if something is broken.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// The deadline for other programs on a busy machine.
pub const WAIT_TIMEOUT: Duration = Duration::from_mins(1);

/// Waits for a future that must end.
pub async fn within_deadline<T>(what: &str, future: impl Future<Output = T>) -> T {
    within(DEADLINE, what, future).await
}

/// Polls until a condition holds. For conditions that cannot be awaited, such as a count in another process.
pub async fn eventually(what: &str, holds: impl AsyncFnMut() -> bool) {
    within(DEADLINE, what, until(holds)).await;
}

/// As [`eventually`], for what another program does.
pub async fn patiently(what: &str, holds: impl AsyncFnMut() -> bool) {
    within(WAIT_TIMEOUT, what, until(holds)).await;
}

/// Polls until a condition holds, without a deadline of its own.
pub async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let mut pause = Duration::from_millis(1);
    while !holds().await {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

async fn within<T>(time: Duration, what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(time, future).await;
    waited.unwrap_or_else(|_| panic!("waited {time:?} for {what}"))
}
