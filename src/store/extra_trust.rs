//! How much longer than the rules say a store trusts rooms. `reconcile` sets it while the service runs.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::presence::Rules;

/// The additional time, in microseconds.
#[derive(Debug, Default)]
pub(super) struct ExtraTrust(AtomicU64);

impl ExtraTrust {
    pub fn set(&self, by: Duration) {
        self.0.store(u64::try_from(by.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }

    pub fn in_rules(&self, rules: &Rules) -> Rules {
        Rules { extra_trust: self.get(), ..rules.clone() }
    }
}
