//! Puts bans back that the database has and the store lost: at the start, and each minute, one instance by lease. A Redis that loses
//! everything loses the lease, too, and so has its bans again a few seconds later.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::{
    coordination::{Lease, Peers},
    error_chain::Chain,
    store::{Store, StoreError},
};

use super::{
    error::RecordError,
    metrics::BanMetrics,
    records::{BanRecord, BanRecords},
    removals::Removals,
};

const INTERVAL: Duration = Duration::from_mins(1);
/// Instances that share a store look this often whether the lease is free.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// At the start nothing else happens for at most this time.
const START_TIMEOUT: Duration = Duration::from_secs(5);
/// A round of a database or a store that does not answer ends after this time.
const ROUND_TIMEOUT: Duration = Duration::from_mins(10);
const PAGE: usize = 500;
/// Questions to the store under way.
const MAX_AT_ONCE: usize = 16;

/// The task that puts bans back.
pub(super) struct Restoring {
    pub store: Arc<dyn Store>,
    pub removals: Option<Arc<Removals>>,
    pub records: Arc<dyn BanRecords>,
    pub peers: Arc<dyn Peers>,
    pub metrics: BanMetrics,
    /// Whether the store outlives this process, and other instances use it.
    pub is_shared: bool,
}

/// Why bans could not be put back.
#[derive(Debug, thiserror::Error)]
enum RestoreError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Records(#[from] RecordError),
}

impl Restoring {
    pub async fn run(self: Arc<Self>) {
        loop {
            // Where it cannot be taken, the store cannot be asked either.
            if let Ok(Some(_)) = self.peers.lease(&Lease::Bans, INTERVAL).await {
                self.restore_within(ROUND_TIMEOUT).await;
            }
            sleep(if self.is_shared { LOOK_INTERVAL } else { INTERVAL }).await;
        }
    }

    pub async fn restore_in_time(&self) {
        self.restore_within(START_TIMEOUT).await;
    }

    async fn restore_within(&self, time: Duration) {
        match timeout(time, self.restore()).await {
            Ok(Ok(0)) => {}
            Ok(Ok(count)) => info!(count, "put back bans that the store had lost"),
            Ok(Err(error)) => warn!(
                error = %Chain(&error),
                "cannot put back bans that the store may have lost; trying again in a minute"
            ),
            Err(_) => warn!(
                "putting back bans that the store may have lost takes too long; trying again in a minute"
            ),
        }
    }

    /// Returns how many bans the store lacked.
    async fn restore(&self) -> Result<usize, RestoreError> {
        let now = self.store.now().await?;
        self.records.delete_ended(now).await?;
        let (mut after, mut count) = (None, 0);
        loop {
            let page = self.records.page(after.as_ref(), PAGE).await;
            let (records, next) = page?;
            let restored = stream::iter(records)
                .map(|record| self.restore_one(record))
                .buffer_unordered(MAX_AT_ONCE);
            let restored: Vec<_> = restored.collect().await;
            for one in restored {
                count += usize::from(one?);
            }
            match next {
                Some(next) => after = Some(next),
                None => return Ok(count),
            }
        }
    }

    /// Puts back one ban, unless the store has one of this person. Returns whether it did.
    async fn restore_one(&self, record: BanRecord) -> Result<bool, RestoreError> {
        let BanRecord { room, identity, ban } = &record;
        if self.store.ban_of(room, identity).await?.is_some() {
            return Ok(false);
        }
        let changed = self.store.ban(room, identity, Some(ban)).await?;
        // A moderator lifts a ban in the database first. Whoever did so meanwhile may have found none in the store.
        if !self.records.has(&record).await? {
            if self.store.ban_of(room, identity).await?.as_ref() == Some(ban) {
                self.store.ban(room, identity, None).await?;
            }
            return Ok(false);
        }
        for sid in &changed.inside {
            self.removals.iter().for_each(|removals| removals.found(room, identity, sid));
        }
        self.metrics.restored();
        Ok(true)
    }
}
