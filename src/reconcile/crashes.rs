//! LiveKit's own Redis tells that one of its servers may have crashed, which no webhook tells: people of watched rooms are probed at
//! once then.

use std::{sync::Arc, time::Instant};

use crate::abort_on_panic;

use super::context::Context;

/// Starts the task that waits for crashes, if there is a Redis of LiveKit. Must be called in a runtime.
pub(super) fn start(context: &Arc<Context>) {
    if context.kept_rooms.is_some() {
        let watching = watch(Arc::clone(context));
        tokio::spawn(abort_on_panic::task("what waits for crashes of LiveKit", watching));
    }
}

async fn watch(context: Arc<Context>) {
    let Some(kept) = &context.kept_rooms else { return };
    loop {
        kept.redis.node_lost().await;
        // Another LiveKit's crashes say nothing.
        if kept.is_trusted() {
            context.schedule().node_lost(Instant::now());
            context.wake.notify_one();
        }
    }
}
