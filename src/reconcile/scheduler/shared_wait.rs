//! How long rooms have to wait, shared between instances: a webhook may come to one that watches no room.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::reconcile::context::Context;

/// Instances tell each other their waits this often.
const SHARE_INTERVAL: Duration = Duration::from_secs(5);
/// What an instance told counts for this long.
const FRESH: Duration = Duration::from_secs(15);

/// Tells the other instances how long rooms have to wait here, and hears it from them, for as long as the process lives.
pub async fn share(context: Arc<Context>) {
    loop {
        let own_wait = context.schedule().pace.own_wait();
        if let Ok(longest) = context.peers.share_wait(own_wait, FRESH).await {
            let mut schedule = context.schedule();
            schedule.pace.is_told(longest);
            context.measure_pace(&mut schedule, Instant::now());
        }
        sleep(SHARE_INTERVAL).await;
    }
}
