//! Hands out what lies in outboxes, and takes off what the history has.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::{
    presence::RoomName,
    store::{
        StoreError,
        outbox::{DropLog, Kept, Outbox, OutboxCounts, OutboxSettings, PendingItem},
    },
};

use super::{
    super::{
        each_bucket::each_bucket,
        keys::{Bucket, KeyFormat},
        link::Link,
        rows::Unreadable,
        scripts::Scripts,
        streams::StreamReader,
    },
    item::{NewItem, Noted, StreamId, stream_id},
    known_items::KnownItems,
    waiting::{Unread, Waiting},
};

/// The outboxes of all buckets. Several instances may hand out the same item, because an item that the history has already changes
/// nothing there.
pub(in crate::store::redis) struct RedisOutbox {
    link: Arc<Link>,
    keys: KeyFormat,
    scripts: Scripts,
    streams: StreamReader,
    settings: OutboxSettings,
    waiting: Mutex<Waiting>,
    /// Notified when something waits.
    added: Notify,
    drop_log: DropLog,
}

impl RedisOutbox {
    pub fn new(link: Arc<Link>, keys: KeyFormat, settings: OutboxSettings) -> Self {
        Self {
            streams: StreamReader::new(Arc::clone(&link)),
            link,
            keys,
            scripts: Scripts::new(),
            settings,
            waiting: Mutex::default(),
            added: Notify::new(),
            drop_log: DropLog::default(),
        }
    }

    pub fn settings(&self) -> OutboxSettings {
        self.settings
    }

    /// A step was written, with this item.
    pub fn wrote(&self, bucket: Bucket, item: NewItem, noted: Noted) {
        match noted {
            Noted::Nothing => return,
            Noted::Outbox { id, count, dropped } => {
                self.waiting().wrote(bucket, id, count, dropped, item);
                if dropped > 0 {
                    self.drop_log.dropped(self.settings.max);
                }
            }
            Noted::Perhaps => self.waiting().doubt(bucket),
        }
        self.added.notify_one();
    }

    /// A step may have been written without this instance learning of it.
    pub fn doubt(&self, bucket: Bucket) {
        self.waiting().doubt(bucket);
        self.added.notify_one();
    }

    /// Finds the outboxes in which something was left behind.
    async fn look_into_all(&self) -> Result<(), StoreError> {
        let calls = Bucket::all().map(|bucket| self.look_into(bucket));
        let looked = each_bucket(calls.collect()).await;
        looked.into_iter().collect::<Result<(), _>>()?;
        self.waiting().has_looked();
        Ok(())
    }

    async fn look_into(&self, bucket: Bucket) -> Result<(), StoreError> {
        let outbox = self.keys.history(bucket);
        let mut length = redis::cmd("XLEN");
        length.arg(&outbox);
        let count: u64 = self.link.query(&length).await?;
        let oldest = match count {
            0 => None,
            _ => {
                let page = self.streams.read::<Vec<Vec<u8>>>(&outbox, "-", 1).await?;
                page.entries.first().and_then(|(id, _)| stream_id(id))
            }
        };
        self.waiting().looked(bucket, count, oldest);
        Ok(())
    }

    /// Reads the oldest items of an outbox.
    async fn read(&self, unread: Unread) -> Result<Vec<PendingItem>, StoreError> {
        let mut items = KnownItems::default();
        let is_all = self.read_into(&mut items, &unread).await;
        let is_all = is_all.inspect_err(|_| self.waiting().put_off(unread.bucket))?;
        let pending = items.pending(unread.bucket).take(unread.count).collect();
        if is_all {
            self.waiting().read_all(&unread, items);
        }
        Ok(pending)
    }

    /// Returns whether there are no more.
    async fn read_into(&self, items: &mut KnownItems, unread: &Unread) -> Result<bool, StoreError> {
        let outbox = self.keys.history(unread.bucket);
        let mut start = "-".to_owned();
        // One more, which tells that there are more.
        while items.len() <= unread.count {
            let count = unread.count + 1 - items.len();
            let page = self.streams.read::<Vec<Vec<u8>>>(&outbox, &start, count).await?;
            for (name, fields) in page.entries {
                let id = stream_id(&name).ok_or(Unreadable::Malformed)?;
                start = format!("({name}");
                if self.waiting().is_left(unread.bucket, id) {
                    continue;
                }
                let json = fields.get(1).map_or(&[][..], Vec::as_slice);
                items.push(id, serde_json::from_slice(json).ok(), json.len());
            }
            if page.is_last {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes items off.
    async fn take_off(&self, bucket: Bucket, ids: Vec<StreamId>) -> Result<(), StoreError> {
        let news = self.waiting().news_of(bucket);
        let connection = self.link.connection().await?;
        let written: Vec<_> = ids.iter().map(|(a, b)| format!("{a}-{b}")).collect();
        let arguments: Vec<_> = written.iter().map(String::as_bytes).collect();
        let keys = [self.keys.history(bucket)];
        let call = self.scripts.take_off.call(&keys, &arguments);
        let left = self.link.invoke(connection, &call).await?;
        self.waiting().done(bucket, &ids, left, news);
        Ok(())
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("nothing panics while it is locked")
    }
}

#[async_trait]
impl Outbox for RedisOutbox {
    async fn added(&self) {
        while self.waiting().is_empty() {
            self.added.notified().await;
        }
    }

    async fn pending(&self, max: usize) -> Result<Vec<PendingItem>, StoreError> {
        let found = self.waiting().oldest(max);
        let mut items = found.items;
        let reads = found.unread.into_iter().map(|unread| self.read(unread));
        let mut failed = None;
        for read in each_bucket(reads.collect()).await {
            match read {
                Ok(read) => items.extend(read),
                Err(error) => failed = Some(error),
            }
        }
        // One node of a Cluster that is away does not keep the items of the others.
        failed.filter(|_| items.is_empty()).map_or(Ok(items), Err)
    }

    async fn left_behind(&self, max: usize) -> Result<Vec<PendingItem>, StoreError> {
        let found = self.look_into_all().await;
        let items = self.pending(max).await?;
        if items.is_empty() {
            found?;
        }
        Ok(items)
    }

    async fn done(&self, items: &[PendingItem]) -> Result<(), StoreError> {
        let calls = by_bucket(items).into_iter().map(|(bucket, ids)| self.take_off(bucket, ids));
        each_bucket(calls.collect()).await.into_iter().collect()
    }

    async fn leave(&self, items: &[PendingItem]) -> Result<(), StoreError> {
        let mut waiting = self.waiting();
        for (bucket, ids) in by_bucket(items) {
            waiting.leave(bucket, &ids);
        }
        Ok(())
    }

    /// What lies in Redis outlives this process.
    async fn kept(&self, _room: &RoomName, _is_repeated: bool) -> Kept {
        Kept::Yes
    }

    fn counts(&self) -> OutboxCounts {
        self.waiting().counts()
    }
}

fn by_bucket(items: &[PendingItem]) -> BTreeMap<Bucket, Vec<StreamId>> {
    let mut of_buckets: BTreeMap<Bucket, Vec<StreamId>> = BTreeMap::new();
    for PendingItem { id, .. } in items {
        if let (Some(bucket), Some(id)) = (Bucket::numbered(id.bucket), stream_id(&id.id)) {
            of_buckets.entry(bucket).or_default().push(id);
        }
    }
    of_buckets
}
