//! Deletes rows that have been kept long enough: at the start, and each hour, one instance by lease.

use std::{sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::{
    clock::Clock,
    coordination::{Lease, Peers},
    error_chain::Chain,
};

use super::{
    database::{Database, Swept},
    error::HistoryError,
    metrics::HistoryMetrics,
};

const SWEEP_INTERVAL: Duration = Duration::from_hours(1);
/// After a sweep that failed.
const RETRY_DELAY: Duration = Duration::from_mins(1);
/// A sweep of a database that does not answer ends after this time.
const SWEEP_TIMEOUT: Duration = Duration::from_mins(10);
/// Erasures are kept for this time at least: people may be inside, and items in an outbox, for longer than the history is kept. So
/// are rosters: people are invited long before they come.
const MIN_ERASURES: Duration = Duration::from_hours(30 * 24);

/// The task that deletes.
pub(super) struct Retention {
    pub database: Arc<Database>,
    pub peers: Arc<dyn Peers>,
    pub clock: Clock,
    pub metrics: HistoryMetrics,
    pub keep: Duration,
}

impl Retention {
    pub async fn run(self) {
        loop {
            // Without Redis nobody knows who else sweeps, and sweeping twice does no harm.
            let lease = self.peers.lease(&Lease::Retention, SWEEP_INTERVAL / 2).await;
            if !matches!(lease, Ok(None)) {
                self.sweep_until_done().await;
            }
            sleep(SWEEP_INTERVAL).await;
        }
    }

    async fn sweep_until_done(&self) {
        loop {
            match self.sweep().await {
                Ok(swept) => return self.swept(swept),
                Err(error) => warn!(
                    error = %Chain(&error),
                    "cannot delete history that was kept long enough; trying again in a minute"
                ),
            }
            sleep(RETRY_DELAY).await;
        }
    }

    fn swept(&self, swept: Swept) {
        self.metrics.swept(swept);
        let Swept { sessions, instances } = swept;
        if sessions + instances > 0 {
            info!(sessions, instances, "deleted history that was kept long enough");
        }
    }

    async fn sweep(&self) -> Result<Swept, HistoryError> {
        let now = self.clock.now().as_millis();
        let before = |keep: Duration| {
            let keep = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
            i64::try_from(now.saturating_sub(keep)).unwrap_or(i64::MAX)
        };
        let sweep = self.database.sweep(before(self.keep), before(self.keep.max(MIN_ERASURES)));
        let swept = timeout(SWEEP_TIMEOUT, sweep).await;
        swept.unwrap_or(Err(HistoryError::TimedOut))
    }
}
