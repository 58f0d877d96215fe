//! The list of rooms, read from the indexes of all buckets: as a whole, at most once a second for those who do not mind, or of
//! some rooms.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::Mutex;

use crate::{presence::RoomName, store::StoreError};

use super::{
    index::IndexedRoom,
    keys::{Bucket, KeyFormat},
    link::Link,
};

/// For this long the list is not read again for callers that do not mind, however many they are.
pub(super) const FRESH: Duration = Duration::from_secs(1);
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

    /// All rooms, by a reading that began at most `max_age` before this call. Callers share it.
    pub async fn read(&self, max_age: Duration) -> Result<Vec<IndexedRoom>, StoreError> {
        let called_at = Instant::now();
        let mut last = self.last.lock().await;
        if let Some((read_at, listed)) = &*last
            && called_at < *read_at + max_age
        {
            return Ok(listed.clone());
        }
        let read_at = Instant::now();
        let listed = self.read_all().await?;
        *last = Some((read_at, listed.clone()));
        Ok(listed)
    }

    /// Those of these rooms that are in the list.
    pub async fn read_some(&self, rooms: &[RoomName]) -> Result<Vec<IndexedRoom>, StoreError> {
        let mut by_bucket: HashMap<Bucket, Vec<&RoomName>> = HashMap::new();
        for room in rooms {
            by_bucket.entry(Bucket::of(room.as_str())).or_default().push(room);
        }
        let reading: Vec<_> =
            by_bucket.into_iter().map(|(bucket, rooms)| self.read_some_of(bucket, rooms)).collect();
        let listed: Vec<Vec<_>> =
            stream::iter(reading).buffer_unordered(MAX_CALLS).try_collect().await?;
        Ok(listed.into_iter().flatten().collect())
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

    async fn read_some_of(
        &self,
        bucket: Bucket,
        rooms: Vec<&RoomName>,
    ) -> Result<Vec<IndexedRoom>, StoreError> {
        let mut index = redis::cmd("HMGET");
        index.arg(self.keys.index(bucket));
        for room in &rooms {
            index.arg(room.as_str());
        }
        let entries: Option<Vec<Option<Vec<u8>>>> = self.link.query_ours(&index).await?;
        let entries = rooms.iter().zip(entries.into_iter().flatten());
        let listed = entries.filter_map(|(room, entry)| {
            entry.map(|entry| IndexedRoom::read(room.as_str().as_bytes(), &entry))
        });
        listed.collect::<Result<_, _>>().map_err(StoreError::from)
    }
}
