//! All rooms compared, where nobody knows what was missed: by one instance at a time, and no room twice.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};
use tracing::info;

use crate::{abort_on_panic, coordination::Lease, presence::RoomName, store::StoreError};

use crate::reconcile::{context::Scheduler, failure::Failure};

/// Rooms that are compared under one lease. The next instance goes on with the others.
const ROOMS_AT_ONCE: usize = 32;
/// They take no longer, or others may go on.
const LEASE: Duration = Duration::from_secs(20);
/// An instance that waits for another looks again after this time.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// One sweep does not follow the other sooner.
const SWEEP_EVERY: Duration = Duration::from_secs(2);

/// Whether all rooms have to be compared, and since when.
#[derive(Debug)]
pub struct Sweep {
    /// Webhooks may have been lost until then. Who was compared since needs no other comparison.
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

    /// When it begins, if it is to.
    pub fn due_at(&self) -> Option<Instant> {
        (self.wanted_at.is_some() && !self.is_running).then_some(self.not_before)
    }

    fn begin(&mut self, now: Instant) -> Option<Instant> {
        if self.due_at()? > now {
            return None;
        }
        self.is_running = true;
        self.wanted_at.take()
    }

    fn end(&mut self, now: Instant) {
        self.is_running = false;
        self.not_before = now + SWEEP_EVERY;
    }
}

impl Scheduler {
    /// Has all rooms compared that are known, if that is wanted.
    pub fn start_sweep(self: &Arc<Self>) {
        let mut state = self.state();
        let now = Instant::now();
        if state.refusals.look(now) {
            state.sweep.want(now);
        }
        let Some(wanted_at) = state.sweep.begin(now) else { return };
        let inner = Arc::clone(self);
        let sweeping = async move {
            let swept = inner.sweep(wanted_at).await;
            let mut state = inner.state();
            state.sweep.end(Instant::now());
            // Webhooks are lost as long as the store cannot be reached.
            if swept.is_err() {
                state.sweep.want(wanted_at);
            }
            drop(state);
            inner.wake.notify_one();
        };
        tokio::spawn(abort_on_panic::task("a sweep of all rooms", sweeping));
    }

    async fn sweep(&self, wanted_at: Instant) -> Result<(), Failure> {
        let mut rooms: Vec<_> =
            self.store.rooms().await?.into_iter().map(|room| room.name).collect();
        // Those are not in the store where nobody is known to be inside.
        self.state().suspect_watched(wanted_at);
        let all = rooms.len();
        while !rooms.is_empty() {
            let Some(held) = self.peers.lease(&Lease::Sweep, LEASE).await? else {
                sleep(LOOK_AGAIN).await;
                continue;
            };
            let swept = self.sweep_some(&mut rooms, wanted_at).await;
            // It ends by itself too.
            let _ = self.peers.release(&Lease::Sweep, held).await;
            swept?;
        }
        if all > 0 {
            info!(rooms = all, "compared all rooms with LiveKit's lists that had not been since");
        }
        Ok(())
    }

    /// Has the next rooms compared that were not since, and waits for that.
    async fn sweep_some(
        &self,
        rooms: &mut Vec<RoomName>,
        wanted_at: Instant,
    ) -> Result<(), Failure> {
        let mut some = Vec::new();
        while some.len() < ROOMS_AT_ONCE
            && let Some(room) = rooms.pop()
        {
            if !self.is_compared_since(&room, wanted_at).await? {
                some.push(room);
            }
        }
        {
            let mut state = self.state();
            for room in &some {
                state.suspect(room, wanted_at);
            }
            state.sweeping.extend(some);
        }
        self.wake.notify_one();
        let _ = timeout(LEASE, self.until_swept()).await;
        self.state().sweeping.clear();
        Ok(())
    }

    async fn until_swept(&self) {
        loop {
            let swept = self.swept.notified();
            if self.state().sweeping.is_empty() {
                return;
            }
            swept.await;
        }
    }

    async fn is_compared_since(
        &self,
        room: &RoomName,
        wanted_at: Instant,
    ) -> Result<bool, StoreError> {
        let Some(position) = self.store.position(room).await? else { return Ok(true) };
        Ok(position.compared_at >= self.store.now().await? - wanted_at.elapsed())
    }
}
