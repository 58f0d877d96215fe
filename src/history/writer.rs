//! Takes what steps have added to the history out of the outbox, and writes it into the database.
//!
//! Items leave the outbox after they were written, so that none is lost if this process ends in between. Then they are written
//! twice, which changes nothing.

#[cfg(test)]
mod tests;

use std::{
    ops::ControlFlow,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tracing::{info, warn};

use crate::{
    coordination::{Lease, Peers},
    error_chain::Chain,
    store::{Outbox, PendingItem},
};

use super::{
    database::Database,
    error::HistoryError,
    metrics::{HistoryMetrics, ItemOutcome},
};

/// Items in one transaction.
const MAX_BATCH: usize = 1_000;
/// How often one instance looks for what others left behind.
const LEFT_BEHIND_INTERVAL: Duration = Duration::from_secs(10);
/// Shorter than the interval, so that the instance that looked last may look again, and knows what lay there then.
const LOOKING_TIME: Duration = Duration::from_secs(9);
/// A batch takes milliseconds; a database that takes this long has stopped.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two attempts while the database, or the outbox, is away.
const MIN_DELAY: Duration = Duration::from_millis(100);
const MAX_DELAY: Duration = Duration::from_secs(3);
/// How often it is told how much waits while something takes long.
const TELL_INTERVAL: Duration = Duration::from_secs(1);

/// The task that writes.
pub(super) struct Writer {
    database: Arc<Database>,
    outbox: Arc<dyn Outbox>,
    peers: Arc<dyn Peers>,
    metrics: HistoryMetrics,
    /// Whether the outbox was told how new the rows are.
    has_begun: bool,
    /// None while all is well.
    delay: Option<Duration>,
}

/// Something went wrong, which was logged; try again later.
struct Failed;

impl Writer {
    pub fn new(
        database: Arc<Database>,
        outbox: Arc<dyn Outbox>,
        peers: Arc<dyn Peers>,
        metrics: HistoryMetrics,
    ) -> Self {
        Self { database, outbox, peers, metrics, has_begun: false, delay: None }
    }

    pub async fn run(mut self) {
        let (metrics, outbox) = (self.metrics.clone(), Arc::clone(&self.outbox));
        let mut look = interval(LEFT_BEHIND_INTERVAL);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_more = false;
        loop {
            // One batch at a time: however much is added, it does not keep this instance from looking for what others left.
            let is_time = tokio::select! {
                _ = look.tick() => true,
                () = next(&*outbox, is_more) => false,
            };
            let work = self.take_one_batch(is_time);
            is_more = match telling_what_waits(&metrics, &*outbox, work).await {
                Ok(batch) => batch.is_continue(),
                Err(Failed) => {
                    self.wait().await;
                    // What was added before it failed is not announced again.
                    true
                }
            };
        }
    }

    /// Breaks if there is nothing to write.
    async fn take_one_batch(&mut self, is_time: bool) -> Result<ControlFlow<()>, Failed> {
        let items = match is_time && self.may_look().await {
            true => self.outbox.left_behind(MAX_BATCH).await,
            false => self.outbox.pending(MAX_BATCH).await,
        };
        let items =
            items.map_err(|error| self.failed(&error, "cannot read the history's outbox"))?;
        if items.is_empty() {
            return Ok(ControlFlow::Break(()));
        }
        if !self.has_begun {
            // They may have other numbers after this, so they are handed out anew.
            self.begin().await?;
            return Ok(ControlFlow::Continue(()));
        }
        let (unreadable, readable): (Vec<_>, Vec<_>) =
            items.into_iter().partition(|pending| pending.item.is_none());
        if !unreadable.is_empty() {
            self.leave(&unreadable, "it holds items that this release cannot read").await?;
        }
        self.write(readable).await?;
        Ok(ControlFlow::Continue(()))
    }

    /// Tells the outbox how new the rows are, before the first item is written.
    async fn begin(&mut self) -> Result<(), Failed> {
        let newest = timeout(WRITE_TIMEOUT, self.database.newest_open()).await;
        match newest.unwrap_or(Err(HistoryError::TimedOut)) {
            Ok(newest) => self.outbox.begin_above(newest),
            Err(error) => {
                self.metrics.database_is(false);
                return Err(self.failed(&error, "cannot read the history"));
            }
        }
        self.has_begun = true;
        Ok(())
    }

    /// Whether this instance looks for what was left behind. One at a time does.
    async fn may_look(&self) -> bool {
        // A Redis that is away is told of by what needs it.
        matches!(self.peers.lease(&Lease::Outbox, LOOKING_TIME).await, Ok(Some(_)))
    }

    /// Writes items in order, and takes them off the outbox. Halves them again and again if the database refuses the data of one,
    /// until only that one is left out.
    async fn write(&mut self, items: Vec<PendingItem>) -> Result<(), Failed> {
        let mut batches = vec![items];
        while let Some(mut batch) = batches.pop() {
            let items: Vec<_> = batch.iter().filter_map(|pending| pending.item.clone()).collect();
            let started = Instant::now();
            let written = timeout(WRITE_TIMEOUT, self.database.write(items)).await;
            match written.unwrap_or(Err(HistoryError::TimedOut)) {
                Ok(()) => {
                    self.metrics.wrote(batch.len(), started.elapsed());
                    self.recovered();
                    self.done(&batch).await?;
                }
                Err(HistoryError::Refused(_) | HistoryError::Unreadable(_)) if batch.len() > 1 => {
                    let later = batch.split_off(batch.len() / 2);
                    batches.extend([later, batch]);
                }
                Err(HistoryError::Refused(error)) => {
                    self.refused(&batch, &error);
                    self.done(&batch).await?;
                }
                Err(HistoryError::Unreadable(error)) => {
                    let why = Chain(&error).to_string();
                    self.leave(&batch, &why).await?;
                }
                Err(error) => {
                    self.metrics.database_is(false);
                    return Err(self.failed(&error, "cannot write the history"));
                }
            }
        }
        Ok(())
    }

    async fn done(&mut self, items: &[PendingItem]) -> Result<(), Failed> {
        let done = self.outbox.done(items).await;
        done.map_err(|error| {
            self.failed(&error, "cannot take written items off the history's outbox")
        })
    }

    /// Leaves items to instances of the release that can deal with them.
    async fn leave(&mut self, items: &[PendingItem], why: &str) -> Result<(), Failed> {
        self.metrics.count(ItemOutcome::Unreadable, items.len());
        warn!(
            items = items.len(),
            error = %why,
            "what a later release wrote is not brought into the history by this one; upgrade this instance"
        );
        let left = self.outbox.leave(items).await;
        left.map_err(|error| self.failed(&error, "cannot leave items in the history's outbox"))
    }

    fn refused(&self, batch: &[PendingItem], error: &sqlx::Error) {
        self.metrics.count(ItemOutcome::Refused, batch.len());
        let Some(item) = batch.first().and_then(|pending| pending.item.as_ref()) else { return };
        warn!(
            room.name = %item.room,
            seq = item.seq,
            records = item.records.len(),
            error = %Chain(error),
            "the history's database refuses a step on a room for its data; left it out"
        );
    }

    /// Logs the first of several failures.
    fn failed(&mut self, error: &dyn std::error::Error, what: &'static str) -> Failed {
        match &mut self.delay {
            Some(delay) => *delay = (*delay * 2).min(MAX_DELAY),
            None => {
                self.delay = Some(MIN_DELAY);
                warn!(error = %Chain(error), "{what}; trying again until it can");
            }
        }
        Failed
    }

    fn recovered(&mut self) {
        self.metrics.database_is(true);
        if self.delay.take().is_some() {
            info!("the history is written again");
        }
    }

    /// Several instances do not all come back at the same moment.
    async fn wait(&self) {
        let delay = self.delay.unwrap_or(MIN_DELAY);
        sleep(delay.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
    }
}

/// Waits until there is something to write, or more of it.
async fn next(outbox: &dyn Outbox, is_more: bool) {
    if is_more {
        outbox.gathered().await;
    } else {
        outbox.added().await;
    }
}

/// Tells how much waits while this goes on, and afterwards.
pub(super) async fn telling_what_waits<T>(
    metrics: &HistoryMetrics,
    outbox: &dyn Outbox,
    work: impl Future<Output = T>,
) -> T {
    let mut work = pin!(work);
    let mut due = interval(TELL_INTERVAL);
    loop {
        tokio::select! {
            done = &mut work => {
                metrics.outbox(outbox.counts());
                return done;
            }
            _ = due.tick() => metrics.outbox(outbox.counts()),
        }
    }
}
