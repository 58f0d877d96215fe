//! The outbox of a store that does not outlive this process, kept in the history's database. LiveKit gets its answers after one
//! small write for all that came together; the rows of sessions follow within a moment, for many steps at once. What a process
//! left here that was killed is written by the next one.

mod lying;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tracing::{info, warn};

use crate::{
    error_chain::Chain,
    presence::RoomName,
    store::{Kept, Outbox, OutboxCounts, PendingItem, StoreError},
};

use super::{
    database::Database, error::HistoryError, metrics::HistoryMetrics, writer::telling_what_waits,
};

use self::lying::Lying;

/// Items of one entry.
const MAX_ENTRY: usize = 1_000;
/// Items that lie here at most. Above it nothing is taken in, and the store's outbox fills.
const MAX_LYING: usize = 100_000;
/// What comes within this time is written into the rows together. Whoever reads does not wait for that.
const GATHERING_TIME: Duration = Duration::from_secs(1);
/// So many times more items are handed out than asked for. They are in memory in any case, and most of them change the same rows.
const MORE_TOGETHER: usize = 10;
/// A reader waits this long for the rows to have what lies here.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(1);
/// An entry takes milliseconds; a database that takes this long has stopped.
const ENTRY_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two attempts while the database is away.
const MIN_DELAY: Duration = Duration::from_millis(50);
const MAX_DELAY: Duration = Duration::from_secs(1);

/// An outbox in the database.
pub(super) struct Journal {
    /// Where steps put their items.
    store: Arc<dyn Outbox>,
    database: Arc<Database>,
    metrics: HistoryMetrics,
    lying: Mutex<Lying>,
    gathering_time: Duration,
    added: Notify,
    /// Somebody waits for the rows.
    hurry: Notify,
    /// Some items are no longer here.
    gone: Notify,
}

impl Journal {
    pub fn new(store: Arc<dyn Outbox>, database: Arc<Database>, metrics: HistoryMetrics) -> Self {
        Self {
            store,
            database,
            metrics,
            lying: Mutex::default(),
            gathering_time: GATHERING_TIME,
            added: Notify::new(),
            hurry: Notify::new(),
            gone: Notify::new(),
        }
    }

    /// Takes in what steps add, for ever.
    pub async fn run(self: Arc<Self>) {
        let mut delay: Option<Duration> = None;
        loop {
            let Err(error) = self.take_in_all().await;
            match &mut delay {
                // What worked in between may have been one entry; the delay starts anew when it is told again.
                Some(delay) if !self.lying().took_in_since_failure() => {
                    *delay = (*delay * 2).min(MAX_DELAY);
                }
                _ => {
                    delay = Some(MIN_DELAY);
                    warn!(error = %Chain(&error), "cannot keep what the history has to know; trying again until it can");
                }
            }
            self.lying().failed();
            self.metrics.database_is(false);
            self.metrics.outbox(self.counts());
            sleep(delay.unwrap_or(MIN_DELAY).mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        }
    }

    /// Waits until the rows have what lies here now, if they get it soon.
    pub async fn settle(&self) {
        let Some(newest) = self.lying().newest() else { return };
        let settled = async {
            loop {
                let gone = self.gone.notified();
                if self.lying().oldest().is_none_or(|oldest| oldest > newest) {
                    return;
                }
                self.hurry.notify_one();
                gone.await;
            }
        };
        _ = timeout(SETTLE_TIMEOUT, settled).await;
    }

    async fn take_in_all(&self) -> Result<std::convert::Infallible, HistoryError> {
        in_time(self.recall()).await?;
        loop {
            while self.lying().count() >= MAX_LYING {
                let gone = self.gone.notified();
                if self.lying().count() >= MAX_LYING {
                    gone.await;
                }
            }
            let took = telling_what_waits(&self.metrics, self, in_time(self.take_in())).await?;
            if !took {
                self.store.added().await;
            }
        }
    }

    /// Reads what is here that this process does not know of: what the one before it left, or an entry whose answer was lost.
    async fn recall(&self) -> Result<(), HistoryError> {
        let next = self.lying().next();
        let entries = self.database.journaled(next).await?;
        let newest_row = self.database.newest_open().await?;
        let found = {
            let mut lying = self.lying();
            let found = entries.len();
            for (number, items) in entries {
                lying.add(number, items);
            }
            self.store.begin_above(newest_row.max(lying.newest_seq()));
            found
        };
        if found > 0 {
            info!(
                entries = found,
                "writing what was kept for the history before this process began"
            );
            self.added.notify_one();
        }
        Ok(())
    }

    /// Makes one entry. Returns whether there was something.
    async fn take_in(&self) -> Result<bool, HistoryError> {
        let pending = self.store.pending(MAX_ENTRY).await.unwrap_or_default();
        let items: Vec<_> = pending.iter().filter_map(|pending| pending.item.as_ref()).collect();
        if items.is_empty() {
            return Ok(false);
        }
        let number = self.lying().next();
        self.database.journal(number, &items).await?;
        let items = items.into_iter().cloned().collect();
        self.lying().add(number, Some(items));
        // This store's outbox is in memory, and cannot fail.
        _ = self.store.done(&pending).await;
        self.added.notify_one();
        Ok(true)
    }

    fn lying(&self) -> MutexGuard<'_, Lying> {
        self.lying.lock().expect("nothing panics while it is locked")
    }
}

async fn in_time<T>(
    work: impl Future<Output = Result<T, HistoryError>>,
) -> Result<T, HistoryError> {
    timeout(ENTRY_TIMEOUT, work).await.map_err(|_| HistoryError::TimedOut)?
}

#[async_trait]
impl Outbox for Journal {
    async fn added(&self) {
        self.added.notified().await;
        self.gathered().await;
    }

    async fn gathered(&self) {
        if self.lying().count() == 0 {
            return;
        }
        tokio::select! {
            () = sleep(self.gathering_time) => {}
            () = self.hurry.notified() => {}
        }
    }

    async fn pending(&self, max: usize) -> Result<Vec<PendingItem>, StoreError> {
        Ok(self.lying().first(max.saturating_mul(MORE_TOGETHER)))
    }

    /// What the process before this one left was read at the start.
    async fn left_behind(&self, max: usize) -> Result<Vec<PendingItem>, StoreError> {
        self.pending(max).await
    }

    async fn done(&self, items: &[PendingItem]) -> Result<(), StoreError> {
        let over = self.lying().done(items);
        self.gone.notify_waiters();
        match self.database.forget_journaled(&over).await {
            Ok(()) => self.lying().forgotten(&over),
            // They are deleted with the next ones. If this process ends before, they are written again, which changes nothing.
            Err(error) => {
                warn!(error = %Chain(&error), "cannot delete what the history has taken; trying again later");
            }
        }
        Ok(())
    }

    async fn leave(&self, items: &[PendingItem]) -> Result<(), StoreError> {
        self.lying().leave(items);
        self.gone.notify_waiters();
        Ok(())
    }

    async fn kept(&self, room: &RoomName, is_repeated: bool) -> Kept {
        self.store.kept(room, is_repeated).await
    }

    fn counts(&self) -> OutboxCounts {
        let counts = self.store.counts();
        OutboxCounts { waiting: counts.waiting + self.lying().count() as u64, ..counts }
    }
}
