//! One timer that is always due soon, so that the timers of requests wake nobody.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

/// Shorter than any time that a request is given.
const INTERVAL: Duration = Duration::from_millis(500);

/// Runs until it is dropped.
///
/// When a timer is set that is due before all others, tokio wakes the thread that waits for sockets, so that it waits for less long
/// (`Handle::reregister` in tokio's `runtime/time/mod.rs`). Each request sets a timer, and nearly always the other threads wait with
/// no timer that is due earlier. Waking one of them costs more than to handle the request.
pub(super) async fn keep_one_timer_early() {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
    }
}
