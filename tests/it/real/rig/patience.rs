//! How long real programs on a busy machine may take.

use std::time::{Duration, Instant};

/// Nothing here takes longer, unless something is broken.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until something holds. For what cannot be waited for: the state of another program.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
