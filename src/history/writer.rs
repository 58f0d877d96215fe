//! Takes what steps have added to the history out of the outbox, and writes it into the database.
//!
//! Items leave the outbox after they were written, so that none is lost if this process ends in between. Then they are written
//! twice, which changes nothing.

use std::{
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tracing::{info, warn};

use crate::{
    coordination::{Lease, Peers},
    error_chain::Chain,
    store::{HistoryItem, Outbox, PendingItem},
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
/// A batch takes milliseconds; a database that takes this long has stopped.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two attempts while the database, or the outbox, is away.
const MIN_DELAY: Duration = Duration::from_millis(100);
const MAX_DELAY: Duration = Duration::from_secs(3);

/// The task that writes.
pub(super) struct Writer {
    database: Arc<Database>,
    outbox: Arc<dyn Outbox>,
    peers: Arc<dyn Peers>,
    metrics: HistoryMetrics,
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
        Self { database, outbox, peers, metrics, delay: None }
    }

    pub async fn run(mut self) {
        let outbox = Arc::clone(&self.outbox);
        let mut left_behind = interval(LEFT_BEHIND_INTERVAL);
        left_behind.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_time = tokio::select! {
                _ = left_behind.tick() => true,
                () = outbox.added() => false,
            };
            self.metrics.outbox(outbox.counts());
            let done = match is_time {
                true => self.write_left_behind().await,
                false => self.write_pending().await,
            };
            self.metrics.outbox(outbox.counts());
            if done.is_err() {
                self.wait().await;
                // What was added before it failed is not announced again.
                left_behind.reset_immediately();
            }
        }
    }

    /// Writes what this instance has added, until nothing is left.
    async fn write_pending(&mut self) -> Result<(), Failed> {
        loop {
            let items = self.outbox.pending(MAX_BATCH).await;
            if self.write_batch(items).await?.is_break() {
                return Ok(());
            }
        }
    }

    /// Writes what this instance has added, and what all others have, if none of them does.
    async fn write_left_behind(&mut self) -> Result<(), Failed> {
        self.write_pending().await?;
        let lease = self.peers.lease(&Lease::Outbox, LEFT_BEHIND_INTERVAL).await;
        // A Redis that is away is told of by what needs it.
        if !matches!(lease, Ok(Some(_))) {
            return Ok(());
        }
        loop {
            let items = self.outbox.left_behind(MAX_BATCH).await;
            if self.write_batch(items).await?.is_break() {
                return Ok(());
            }
        }
    }

    /// Breaks if there is nothing to write.
    async fn write_batch(
        &mut self,
        items: Result<Vec<PendingItem>, crate::store::StoreError>,
    ) -> Result<ControlFlow<()>, Failed> {
        let items =
            items.map_err(|error| self.failed(&error, "cannot read the history's outbox"))?;
        if items.is_empty() {
            return Ok(ControlFlow::Break(()));
        }
        let readable: Vec<_> = items.iter().filter_map(|pending| pending.item.clone()).collect();
        let unreadable = items.len() - readable.len();
        if unreadable > 0 {
            self.metrics.count(ItemOutcome::Unreadable, unreadable);
            warn!(
                items = unreadable,
                "the history's outbox holds what this release cannot read; dropped it"
            );
        }
        self.write(readable).await?;
        let done = self.outbox.done(&items).await;
        done.map_err(|error| {
            self.failed(&error, "cannot take written items off the history's outbox")
        })?;
        Ok(ControlFlow::Continue(()))
    }

    /// Writes items in order. Halves them again and again if the database refuses the data of one, until only that one is left
    /// out.
    async fn write(&mut self, items: Vec<HistoryItem>) -> Result<(), Failed> {
        let mut batches = vec![items];
        while let Some(mut batch) = batches.pop() {
            let started = Instant::now();
            let written = timeout(WRITE_TIMEOUT, self.database.write(batch.clone())).await;
            match written.unwrap_or(Err(HistoryError::TimedOut)) {
                Ok(()) => {
                    self.metrics.wrote(batch.len(), started.elapsed());
                    self.recovered();
                }
                Err(HistoryError::Refused(error)) => match batch.as_slice() {
                    [item] => self.refused(item, &error),
                    _ => {
                        let later = batch.split_off(batch.len() / 2);
                        batches.extend([later, batch]);
                    }
                },
                Err(error) => {
                    self.metrics.database_is(false);
                    return Err(self.failed(&error, "cannot write the history"));
                }
            }
        }
        Ok(())
    }

    fn refused(&self, item: &HistoryItem, error: &sqlx::Error) {
        self.metrics.count(ItemOutcome::Refused, 1);
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
        self.metrics.outbox(self.outbox.counts());
        let delay = self.delay.unwrap_or(MIN_DELAY);
        sleep(delay.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
    }
}
