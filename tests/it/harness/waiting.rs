//! How long a test waits for what must come.

use std::time::Duration;

/// Nothing that a test waits for takes longer, unless something is broken.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Nor does anything that other programs do on a busy machine.
pub const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

/// Waits for something that must come.
pub async fn within_deadline<T>(what: &str, future: impl Future<Output = T>) -> T {
    within(DEADLINE, what, future).await
}

/// Asks again and again until something holds. For what cannot be waited for, such as a count in another process.
pub async fn eventually(what: &str, holds: impl AsyncFnMut() -> bool) {
    within(DEADLINE, what, until(holds)).await;
}

/// The same for what another program does.
pub async fn patiently(what: &str, holds: impl AsyncFnMut() -> bool) {
    within(WAIT_TIMEOUT, what, until(holds)).await;
}

async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let mut pause = Duration::from_millis(1);
    while !holds().await {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

async fn within<T>(time: Duration, what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(time, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {time:?} for {what}"),
    }
}
