//! Takes a reading of the metrics each five seconds, for the charts of the last hour.

use std::{sync::Arc, time::Instant};

use tokio::time::sleep;

use crate::{
    figures::{Beside, Figures, Step},
    http::HttpState,
    reconcile::Reconciler,
};

/// Starts the task, which ends with the service. Must be called in a runtime.
pub(super) fn keep(state: &Arc<HttpState>, reconciler: Option<Reconciler>) {
    let (clock, state) = (state.clock.clone(), Arc::downgrade(state));
    tokio::spawn(async move {
        while let Some(state) = state.upgrade() {
            let step = read(&state, reconciler.as_ref());
            if let (Some(step), Some(fleet)) = (step, &state.observed.fleet)
                && fleet.take(&step)
            {
                // The store may hang, and the next step is due.
                let fleet = Arc::clone(fleet);
                tokio::spawn(async move { fleet.tell().await });
            }
            drop(state);
            sleep(Figures::next_step_in(clock.now())).await;
        }
    });
}

fn read(state: &HttpState, reconciler: Option<&Reconciler>) -> Option<Step> {
    let text = state.observed.metrics().ok()?;
    let calls_left = reconciler.map(Reconciler::calls_left);
    let beside = Beside { memory_bytes: memory_bytes(), calls_left };
    state.observed.figures.take(&text, beside, Instant::now(), state.clock.now())
}

/// The memory of this process that is in RAM, as Linux counts it.
fn memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}
