//! The list of rooms, read from the indexes of all buckets at most once a second.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::Mutex;

use crate::store::StoreError;

use super::{
    index::IndexedRoom,
    keys::{Bucket, KeyFormat},
    link::Link,
};

/// For this long the list is not read again, however many clients ask.
const FRESH: Duration = Duration::from_secs(1);
/// Indexes that are read at the same time.
const MAX_CALLS: usize = 128;

pub(super) struct RoomList {
    link: Arc<Link>,
    keys: KeyFormat,
    last: Mutex<Option<(Instant, Vec<IndexedRoom>)>>,
}

impl RoomList {
    pub fn new(link: Arc<Link>, keys: KeyFormat) -> Self {
        Self { link, keys, last: Mutex::default() }
    }

    /// All rooms. Callers at the same time share one reading, and those within a second if `may_be_old`.
    pub async fn read(&self, may_be_old: bool) -> Result<Vec<IndexedRoom>, StoreError> {
        let mut last = self.last.lock().await;
        if let Some((at, listed)) = &*last
            && may_be_old
            && at.elapsed() < FRESH
        {
            return Ok(listed.clone());
        }
        let read_at = Instant::now();
        let listed = self.read_all().await?;
        *last = Some((read_at, listed.clone()));
        Ok(listed)
    }

    async fn read_all(&self) -> Result<Vec<IndexedRoom>, StoreError> {
        let buckets: Vec<_> = Bucket::all().map(|bucket| self.read_bucket(bucket)).collect();
        let listed: Vec<Vec<_>> =
            stream::iter(buckets).buffer_unordered(MAX_CALLS).try_collect().await?;
        Ok(listed.into_iter().flatten().collect())
    }

    /// Each command names one key, because Clusters, and proxies before several Redis, send it to the server that has the key. A
    /// key of another type is another program's, and the room that hashes to it fails visibly when it is written.
    async fn read_bucket(&self, bucket: Bucket) -> Result<Vec<IndexedRoom>, StoreError> {
        let mut index = redis::cmd("HGETALL");
        index.arg(self.keys.index(bucket));
        let rooms: Option<Vec<(Vec<u8>, Vec<u8>)>> = self.link.query_ours(&index).await?;
        let rooms = rooms.iter().flatten().map(|(name, entry)| IndexedRoom::read(name, entry));
        rooms.collect::<Result<_, _>>().map_err(StoreError::from)
    }
}
