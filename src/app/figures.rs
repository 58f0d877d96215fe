//! Takes a reading of the metrics each five seconds, for the charts of the last hour.

use std::{sync::Arc, time::Instant};

use tokio::time::{MissedTickBehavior, interval};

use crate::{
    figures::{Beside, STEP},
    http::HttpState,
    reconcile::Reconciler,
};

/// Starts the task, which ends with the service. Must be called in a runtime.
pub(super) fn keep(state: &Arc<HttpState>, reconciler: Option<Reconciler>) {
    let state = Arc::downgrade(state);
    tokio::spawn(async move {
        let mut ticks = interval(STEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some(state) = state.upgrade() else { break };
            let Ok(text) = state.observed.metrics() else { continue };
            let calls_left = reconciler.as_ref().map(Reconciler::calls_left);
            let beside = Beside { memory_bytes: memory_bytes(), calls_left };
            state.observed.figures.take(&text, beside, Instant::now(), state.clock.now());
        }
    });
}

/// The memory of this process that is in RAM, as Linux counts it.
fn memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}
