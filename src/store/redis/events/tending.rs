//! Keeps the log running while this instance follows it: one instance at a time renews the keys by which commits know that they
//! are logged, moves what crashed instances left in outboxes, and tells of a gap where such a key was gone.

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use redis::Value;
use tokio::time::sleep;
use tracing::warn;

use crate::{abort_on_panic, error_chain::Chain, store::StoreError};

use super::{super::keys::Bucket, log::RedisEvents};

const TEND_INTERVAL: Duration = Duration::from_secs(10);
/// An instance that stops leaves its turn to another one within this time.
const LEASE_TIME: Duration = Duration::from_secs(9);
/// The log goes on for this much longer than configured, because it was renewed at most this long before its last follower left.
const MARGIN: Duration = Duration::from_secs(20);
/// Buckets that are tended at the same time.
const MAX_CALLS: usize = 128;

impl RedisEvents {
    /// Starts the task that tends the log, unless it runs.
    pub(super) fn tend(self: &Arc<Self>) {
        if !self.is_tended.swap(true, Ordering::AcqRel) {
            let tending = tend(Arc::downgrade(self));
            tokio::spawn(abort_on_panic::task("the log of events in Redis", tending));
        }
    }

    /// Keeps every bucket's events logged, and moves what lies in outboxes. Returns whether all were logged before.
    pub(super) async fn tend_all(&self) -> Result<bool, StoreError> {
        let buckets: Vec<_> = Bucket::all().map(|bucket| self.tend_bucket(bucket)).collect();
        let tended: Vec<(Bucket, bool, usize)> =
            stream::iter(buckets).buffer_unordered(MAX_CALLS).try_collect().await?;
        let mut set = redis::cmd("SET");
        set.arg(self.keys.shared("log:on")).arg(1).arg("EX").arg(self.lasts_secs());
        self.link.query::<()>(&set).await?;
        for (bucket, _, _) in tended.iter().filter(|(_, _, left)| *left > 0) {
            self.relay_left(*bucket).await?;
        }
        Ok(tended.iter().all(|(_, was_on, _)| *was_on))
    }

    async fn tend_bucket(&self, bucket: Bucket) -> Result<(Bucket, bool, usize), StoreError> {
        let connection = self.link.connection().await?;
        let keys = [self.keys.log_on(bucket), self.keys.outbox(bucket)];
        let lasts = self.lasts_secs();
        let arguments = [lasts.as_bytes()];
        let call = self.scripts.tend.call(&keys, &arguments);
        let (was_on, left) = self.link.invoke(connection, &call).await?;
        Ok((bucket, was_on, left))
    }

    fn lasts_secs(&self) -> String {
        (self.settings.keep + MARGIN).as_secs().to_string()
    }

    async fn tend_in_turn(&self) -> Result<(), StoreError> {
        let mut lease = redis::cmd("SET");
        lease.arg(self.keys.shared("log:lease")).arg(1).arg("NX").arg("PX");
        lease.arg(LEASE_TIME.as_millis().to_string());
        let is_ours = self.link.query::<Value>(&lease).await? != Value::Nil;
        if is_ours && !self.tend_all().await? {
            self.write_gap().await?;
        }
        Ok(())
    }
}

async fn tend(events: Weak<RedisEvents>) {
    loop {
        sleep(TEND_INTERVAL).await;
        let Some(events) = events.upgrade() else { return };
        if !events.subscribed().is_followed() {
            events.is_tended.store(false, Ordering::Release);
            // A follower that came in between starts no other task.
            if !events.subscribed().is_followed() || events.is_tended.swap(true, Ordering::AcqRel) {
                return;
            }
        }
        if let Err(error) = events.tend_in_turn().await {
            warn!(error = %Chain(&error), "cannot keep the log of events running; trying again");
            if matches!(error, StoreError::Refused(_)) {
                events.subscribed().followers.lose();
            }
        }
        // A message that was lost without a sign is missed for no longer than this.
        events.subscribed().followers.doubt();
    }
}
