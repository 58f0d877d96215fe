//! What lets a test speak: `app.webhook(joined("alice"))`, `reader.next_list()`.

mod app;
mod browser;
mod client;
mod livekit;
mod process;
mod reader;
mod scripted_livekit;
mod stores;

pub use app::{TestApp, TestClock, webhook_request};
pub use browser::{Browser, Window};
pub use client::{Connection, Response};
pub use livekit::{WebhookBody, finished, joined, left, published, started};
pub use process::{KEYS as PROCESS_KEYS, Process};
pub use reader::{Reader, identities};
pub use scripted_livekit::{ApiMood, ScriptedLiveKit};
pub use stores::{FlakyStore, StoreMood};

use std::time::Duration;

/// Nothing that a test waits for takes longer, unless something is broken.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for something that must come.
pub async fn within_deadline<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {DEADLINE:?} for {what}"),
    }
}

/// Asks again and again until something holds. For what cannot be waited for, such as a count in another process.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    within_deadline(what, async {
        let mut pause = Duration::from_millis(1);
        while !holds().await {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    })
    .await;
}
