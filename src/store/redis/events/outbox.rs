//! Moves what is in a bucket's outbox into the log. To move an item twice does nothing, so several instances may do it at once.

use std::sync::atomic::Ordering;

use tracing::warn;

use crate::{
    error_chain::Chain,
    presence::EVENT_MEMORY,
    store::{LogId, StoreError},
};

use super::{
    super::{
        commit::Logged, error::refuses_always, keys::Bucket, rows::Unreadable, steps::PendingLog,
    },
    log::RedisEvents,
};

/// Items that are moved together.
const MAX_ITEMS: usize = 100;

/// An item of an outbox: its id, and its entries.
type OutboxItem = (String, Vec<Vec<u8>>);

impl RedisEvents {
    /// Brings a step's entries into the log. The step is done, and its entries are kept with it: what does not reach the log now is
    /// moved by the next step in the bucket, or by the instance that tends the log.
    pub async fn settle(&self, bucket: Bucket, pending: PendingLog) {
        let PendingLog { entries, logged } = pending;
        let relayed = match logged {
            Logged::Nothing => return,
            Logged::Ended => return self.turned_off(),
            Logged::Refused(reason) => {
                self.turned_off();
                if !self.has_warned.swap(true, Ordering::Relaxed) {
                    warn!(%reason, "Redis refuses the log of events; streams of all events miss some");
                }
                return self.subscribed().followers.lose();
            }
            Logged::Outbox { id, count: 1 } => self.relay(bucket, &[(id, entries)]).await,
            Logged::Outbox { .. } | Logged::Perhaps => self.relay_rest(bucket).await,
        };
        self.put_off(relayed);
    }

    /// Moves what an earlier attempt at a webhook, or another instance, left in a bucket's outbox. If it fails, somebody moves it
    /// later.
    pub async fn relay_left(&self, bucket: Bucket) {
        let relayed = self.relay_rest(bucket).await;
        self.put_off(relayed);
    }

    fn put_off(&self, relayed: Result<(), StoreError>) {
        if let Err(error) = self.excuse(relayed)
            && !self.has_warned.swap(true, Ordering::Relaxed)
        {
            let error = Chain(&error);
            warn!(%error, "cannot write the log of events now; streams of all events get some later");
        }
    }

    /// A Redis that refuses what the log needs, and will until an operator changes it. Says so once, and nothing where nobody needs
    /// the log.
    pub(super) fn excuse(&self, written: Result<(), StoreError>) -> Result<(), StoreError> {
        let error = match written {
            Err(error) if refuses_always(&error) => error,
            written => return written,
        };
        if self.is_on() && !self.has_warned.swap(true, Ordering::Relaxed) {
            let error = Chain(&error);
            warn!(%error, "cannot write the log of events; streams of all events miss some");
        }
        self.subscribed().followers.lose();
        Ok(())
    }

    pub(super) async fn relay_rest(&self, bucket: Bucket) -> Result<(), StoreError> {
        let outbox = self.keys.outbox(bucket);
        let mut start = "-".to_owned();
        loop {
            let page = self.streams.read::<Vec<Vec<u8>>>(&outbox, &start, MAX_ITEMS).await?;
            let entries = |fields: Vec<Vec<u8>>| fields.into_iter().skip(1).step_by(2).collect();
            let items: Vec<OutboxItem> =
                page.entries.into_iter().map(|(id, fields)| (id, entries(fields))).collect();
            let Some((last, _)) = items.last() else { return Ok(()) };
            // Not from the beginning: Redis may refuse to delete what was moved.
            start = format!("({last}");
            self.relay(bucket, &items).await?;
            if page.is_last {
                return Ok(());
            }
        }
    }

    async fn relay(&self, bucket: Bucket, items: &[OutboxItem]) -> Result<(), StoreError> {
        self.write(&format!("b{}", bucket.number()), items).await?;
        let mut delete = redis::cmd("XDEL");
        delete.arg(self.keys.outbox(bucket));
        delete.arg(items.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>());
        // They are in the log. What stays here is recognised.
        let _ = self.link.query::<()>(&delete).await;
        self.has_warned.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Puts a gap into the log.
    pub(super) async fn write_gap(&self) -> Result<LogId, StoreError> {
        self.write("", &[(String::new(), vec![Vec::new()])]).await
    }

    /// The newest position. Makes the log if there is none.
    pub(super) async fn newest(&self) -> Result<LogId, StoreError> {
        self.write("", &[]).await
    }

    async fn write(&self, bucket: &str, items: &[OutboxItem]) -> Result<LogId, StoreError> {
        let counts: Vec<_> = items.iter().map(|(_, entries)| entries.len().to_string()).collect();
        let mut arguments: Vec<&[u8]> = Vec::new();
        for ((id, entries), count) in items.iter().zip(&counts) {
            arguments.extend([id.as_bytes(), count.as_bytes()]);
            arguments.extend(entries.iter().map(Vec::as_slice));
        }
        let newest = self.call_relay(&self.keys.event_log(), bucket, &arguments).await?;
        newest.parse().map_err(|_| Unreadable::Malformed.into())
    }

    /// Calls the script that writes the log.
    pub(super) async fn call_relay(
        &self,
        keys: &[String],
        bucket: &str,
        items: &[&[u8]],
    ) -> Result<String, StoreError> {
        let connection = self.link.connection().await?;
        let max = self.settings.max.to_string();
        let keep = self.settings.keep.as_millis().to_string();
        let bytes = self.settings.max_bytes().to_string();
        let known = EVENT_MEMORY.as_secs().to_string();
        let mut arguments: Vec<&[u8]> = vec![
            connection.publish_command(),
            max.as_bytes(),
            keep.as_bytes(),
            bytes.as_bytes(),
            known.as_bytes(),
            bucket.as_bytes(),
        ];
        arguments.extend(items);
        self.link.invoke(connection, &self.scripts.relay.call(keys, &arguments)).await
    }
}
