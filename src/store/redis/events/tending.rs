//! Keeps the log running while this instance follows it: one instance at a time renews the keys by which commits know that they
//! are logged, moves what crashed instances left in outboxes, and tells of a gap where such a key was gone.

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use redis::Value;
use tokio::time::sleep;
use tracing::warn;

use crate::{
    abort_on_panic,
    error_chain::Chain,
    store::{LogId, StoreError},
};

use super::{
    super::{each_bucket::each_bucket, keys::Bucket},
    log::RedisEvents,
};

const TEND_INTERVAL: Duration = Duration::from_secs(10);
/// An instance that stops leaves its turn to another one within this time.
const LEASE_TIME: Duration = Duration::from_secs(9);
/// The log goes on for this much longer than configured, because it was renewed at most this long before its last follower left.
const MARGIN: Duration = Duration::from_secs(20);

impl RedisEvents {
    /// Starts the task that tends the log, unless it runs.
    pub(super) fn tend(self: &Arc<Self>) {
        if !self.is_tended.swap(true, Ordering::AcqRel) {
            let tending = tend(Arc::downgrade(self));
            tokio::spawn(abort_on_panic::task("the log of events in Redis", tending));
        }
    }

    /// Keeps everything logged, moves what lies in outboxes, and puts a gap into the log if something was not logged before. Until
    /// the gap is there, the instance that tends the log next knows that it is missing. Returns the log's newest position.
    pub(super) async fn tend_all(&self) -> Result<LogId, StoreError> {
        let mut exists = redis::cmd("EXISTS");
        exists.arg(self.keys.shared("log:state"));
        let was_there: bool = self.link.query(&exists).await?;
        let turn = format!("{:016x}", fastrand::u64(..));
        let all = Bucket::all().map(Some).chain([None]);
        let tended = self.tend_each(all, &turn, false).await?;
        for (bucket, _, _) in tended.iter().filter(|(_, _, left)| *left > 0) {
            if let Some(bucket) = bucket {
                let relayed = self.relay_rest(*bucket).await;
                self.excuse(relayed)?;
            }
        }
        let unlogged: Vec<_> = tended.iter().filter(|(_, was_on, _)| !was_on).collect();
        // Positions from before are given out only if the log was there. This also renews the expiry of its state.
        let has_gap = was_there && !unlogged.is_empty();
        let newest = if has_gap { self.write_gap().await? } else { self.newest().await? };
        let unlogged = unlogged.into_iter().map(|(bucket, _, _)| *bucket);
        self.tend_each(unlogged, &turn, true).await?;
        Ok(newest)
    }

    /// Keeps the events of buckets logged, and those of no room. Tells which were logged before, and how many items wait in their
    /// outboxes.
    async fn tend_each(
        &self,
        buckets: impl Iterator<Item = Option<Bucket>>,
        turn: &str,
        is_told: bool,
    ) -> Result<Vec<(Option<Bucket>, bool, usize)>, StoreError> {
        let calls = buckets.map(|bucket| self.tend_one(bucket, turn, is_told)).collect();
        // One that fails does not keep the others from being renewed.
        each_bucket(calls).await.into_iter().collect()
    }

    async fn tend_one(
        &self,
        bucket: Option<Bucket>,
        turn: &str,
        is_told: bool,
    ) -> Result<(Option<Bucket>, bool, usize), StoreError> {
        let connection = self.link.connection().await?;
        let keys = match bucket {
            Some(bucket) => [self.keys.log_on(bucket), self.keys.outbox(bucket)],
            None => [self.keys.shared("log:on"), self.keys.shared("log:nowhere")],
        };
        let lasts = (self.settings.keep + MARGIN).as_secs().to_string();
        let is_told: &[u8] = if is_told { b"1" } else { b"0" };
        let arguments = [lasts.as_bytes(), turn.as_bytes(), is_told];
        let call = self.scripts.tend.call(&keys, &arguments);
        let (was_on, left) = self.link.invoke(connection, &call).await?;
        Ok((bucket, was_on, left))
    }

    async fn tend_in_turn(&self) -> Result<(), StoreError> {
        let mut lease = redis::cmd("SET");
        lease.arg(self.keys.shared("log:lease")).arg(1).arg("NX").arg("PX");
        lease.arg(LEASE_TIME.as_millis().to_string());
        let is_ours = self.link.query::<Value>(&lease).await? != Value::Nil;
        if is_ours {
            self.tend_all().await?;
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
