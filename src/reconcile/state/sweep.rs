//! Whether all rooms have to be compared, and since when.

use std::time::{Duration, Instant};

/// The next sweep begins no sooner than this after the last one ended.
const SWEEP_INTERVAL: Duration = Duration::from_secs(2);

/// Whether all rooms have to be compared, and since when.
#[derive(Debug)]
pub struct Sweep {
    /// Webhooks may have been lost until then. A room that was compared since need not be compared again.
    wanted_at: Option<Instant>,
    is_running: bool,
    not_before: Instant,
}

impl Sweep {
    pub fn wanted(wanted_at: Instant, now: Instant) -> Self {
        Self { wanted_at: Some(wanted_at), is_running: false, not_before: now }
    }

    pub fn want(&mut self, wanted_at: Instant) {
        self.wanted_at = self.wanted_at.max(Some(wanted_at));
    }

    /// When the sweep may begin. None if none is wanted, or one is under way.
    pub fn due_at(&self) -> Option<Instant> {
        (self.wanted_at.is_some() && !self.is_running).then_some(self.not_before)
    }

    /// Begins a sweep if one is due, and returns when it was wanted.
    pub fn begin(&mut self, now: Instant) -> Option<Instant> {
        if self.due_at()? > now {
            return None;
        }
        self.is_running = true;
        self.wanted_at.take()
    }

    pub fn end(&mut self, now: Instant) {
        self.is_running = false;
        self.not_before = now + SWEEP_INTERVAL;
    }
}
