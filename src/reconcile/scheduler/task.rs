//! The scheduler's loop: gives out comparisons as they are due and the budget allows.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep_until;
use tracing::warn;

use crate::{abort_on_panic, reconcile::context::Context};

use super::{grant::Grant, shared_wait, sweep, turn::Turn};

/// The scheduler wakes up at least this often.
const TICK: Duration = Duration::from_secs(5);
/// If it did not wake up for this long, the process was suspended, and webhooks may have been lost.
const STOOD_STILL: Duration = Duration::from_secs(15);

/// Gives out comparisons for as long as the process lives. [`Context::wake`] tells it that there is something to do.
pub struct Scheduler {
    context: Arc<Context>,
}

impl Scheduler {
    /// Starts its tasks. Must be called in a runtime.
    pub fn start(context: &Arc<Context>) {
        let sharing = shared_wait::share(Arc::clone(context));
        tokio::spawn(abort_on_panic::task("what instances tell of their waits", sharing));
        let scheduler = Self { context: Arc::clone(context) };
        tokio::spawn(abort_on_panic::task("the schedule of comparisons", scheduler.run()));
    }

    async fn run(self) {
        let context = &self.context;
        let mut woke_at = Instant::now();
        loop {
            sweep::start_if_due(context);
            context.start_check();
            let mut look_again = self.start_due();
            if let Some(due_at) = context.schedule().sweep.due_at() {
                look_again = look_again.min(due_at);
            }
            tokio::select! {
                () = sleep_until(look_again.into()) => {}
                () = context.wake.notified() => {}
            }
            let now = Instant::now();
            if now.duration_since(woke_at) > STOOD_STILL {
                warn!("the process stood still; all rooms are compared with LiveKit's lists");
                let mut schedule = context.schedule();
                schedule.sweep.want(now);
                schedule.pace.stands_still(now);
            }
            woke_at = now;
        }
    }

    /// Starts what is due and allowed. Returns when to look again.
    fn start_due(&self) -> Instant {
        let lists_are_free = self.context.lists_are_free();
        let mut schedule = self.context.schedule();
        let now = Instant::now();
        let mut look_again = now + TICK;
        self.context.measure_pace(&mut schedule, now);
        while schedule.has_free_place() {
            let grant = Grant::next(&mut schedule, lists_are_free, now, &mut look_again);
            let Some(grant) = grant else { break };
            self.context.metrics.waited(now.duration_since(grant.due_since));
            schedule.queue.start(&grant.room);
            schedule.running += 1;
            let turn = Turn::new(Arc::clone(&self.context), grant);
            tokio::spawn(abort_on_panic::task("a comparison", turn.run()));
        }
        let next = schedule.queue.next_at().filter(|at| *at > now);
        next.map_or(look_again, |at| at.min(look_again))
    }
}
