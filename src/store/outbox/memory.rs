//! The outbox in this process. What lies here is lost with it, so LiveKit gets its answer once the history has it.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use crate::{
    presence::{RoomName, StoreTime},
    store::error::StoreError,
};

use super::{
    Kept, Outbox, OutboxCounts,
    drop_log::DropLog,
    item::{HistoryItem, ItemId, PendingItem},
    lost::Lost,
    settings::OutboxSettings,
};

/// What the items take at least before the oldest are dropped because of their size.
const MIN_BYTES: usize = 64 * 1024 * 1024;
/// Most items are smaller. Those with long metadata make room earlier.
const ITEM_BYTES: usize = 4 * 1024;

/// Nobody waits for a history that has taken nothing for this time, although something waits. Writing takes milliseconds.
const STUCK_AFTER: Duration = Duration::from_secs(3);

/// Items in this process.
pub(in crate::store) struct MemoryOutbox {
    settings: OutboxSettings,
    items: Mutex<Items>,
    added: Notify,
    /// Some items are no longer here.
    gone: Notify,
    drop_log: DropLog,
}

#[derive(Default)]
struct Items {
    /// By position, oldest first.
    waiting: BTreeMap<u64, HistoryItem>,
    /// The positions of each room's items.
    of_rooms: HashMap<RoomName, BTreeSet<u64>>,
    /// What the items take.
    bytes: usize,
    next_position: u64,
    /// The `seq` of the newest item.
    newest: u64,
    dropped: u64,
    lost: Lost,
    /// When the history last took something, or something came after it had taken all.
    moved_at: Option<Instant>,
}

impl MemoryOutbox {
    pub fn new(settings: OutboxSettings) -> Self {
        Self {
            settings,
            items: Mutex::default(),
            added: Notify::new(),
            gone: Notify::new(),
            drop_log: DropLog::default(),
        }
    }

    /// Whether metadata is kept.
    pub fn keeps_metadata(&self) -> bool {
        self.settings.metadata
    }

    /// Adds what a step did. The caller holds the room's lock, so that the items of a room are in order. Above the bound the oldest
    /// items are dropped.
    pub fn add(&self, item: HistoryItem, now: StoreTime) {
        let mut items = self.items();
        items.add(item, now);
        let mut has_dropped = false;
        while self.is_over(&items) {
            items.drop_oldest();
            has_dropped = true;
        }
        drop(items);
        self.added.notify_one();
        if has_dropped {
            self.gone.notify_waiters();
            self.drop_log.dropped(self.settings.max);
        }
    }

    /// Whether there are more items than may wait. The newest waits whatever its size.
    fn is_over(&self, items: &Items) -> bool {
        let (count, max) = (items.waiting.len(), self.settings.max);
        let max_bytes = max.saturating_mul(ITEM_BYTES).max(MIN_BYTES);
        count > 1 && (count > max || items.bytes > max_bytes)
    }

    fn items(&self) -> MutexGuard<'_, Items> {
        self.items.lock().expect("nothing panics while it is locked")
    }
}

impl Items {
    fn add(&mut self, item: HistoryItem, now: StoreTime) {
        let seq = now.as_micros().max(self.newest + 1);
        self.newest = seq;
        if self.waiting.is_empty() {
            self.moved_at = Some(Instant::now());
        }
        let position = self.next_position;
        self.next_position += 1;
        self.bytes += item.bytes();
        self.of_rooms.entry(item.room.clone()).or_default().insert(position);
        self.waiting.insert(position, HistoryItem { seq, ..item });
    }

    fn drop_oldest(&mut self) {
        if let Some((&position, item)) = self.waiting.first_key_value() {
            self.lost.add(item.room.clone(), position, Instant::now());
            self.take(position);
            self.dropped += 1;
        }
    }

    fn take(&mut self, position: u64) {
        let Some(item) = self.waiting.remove(&position) else { return };
        self.bytes -= item.bytes();
        if let Some(positions) = self.of_rooms.get_mut(&item.room) {
            positions.remove(&position);
            if positions.is_empty() {
                self.of_rooms.remove(&item.room);
            }
        }
    }

    /// Whether the history has the items of a room up to this one; none while some of them wait.
    fn kept(&mut self, room: &RoomName, newest: u64) -> Option<Kept> {
        if self.oldest_of(room).is_some_and(|oldest| oldest <= newest) {
            return None;
        }
        let lost = self.lost.newest_of(room, Instant::now());
        Some(if lost.is_some_and(|lost| lost >= newest) { Kept::Lost } else { Kept::Yes })
    }

    /// When the history counts as stuck if it takes nothing until then.
    fn stuck_at(&self) -> Instant {
        self.moved_at.unwrap_or_else(Instant::now) + STUCK_AFTER
    }

    fn newest_of(&self, room: &RoomName) -> Option<u64> {
        self.of_rooms.get(room)?.last().copied()
    }

    fn oldest_of(&self, room: &RoomName) -> Option<u64> {
        self.of_rooms.get(room)?.first().copied()
    }
}

#[async_trait]
impl Outbox for MemoryOutbox {
    async fn added(&self) {
        self.added.notified().await;
    }

    async fn pending(&self, max: usize) -> Result<Vec<PendingItem>, StoreError> {
        let items = self.items();
        let oldest = items.waiting.iter().take(max);
        let pending = |(position, item): (&u64, &HistoryItem)| PendingItem {
            id: ItemId { bucket: 0, id: position.to_string() },
            item: Some(item.clone()),
        };
        Ok(oldest.map(pending).collect())
    }

    /// No other instance has left anything here.
    async fn left_behind(&self, max: usize) -> Result<Vec<PendingItem>, StoreError> {
        self.pending(max).await
    }

    fn outlives_process(&self) -> bool {
        false
    }

    fn begin_above(&self, seq: u64) {
        let mut items = self.items();
        let oldest = items.waiting.values().next().map_or(u64::MAX, |item| item.seq);
        let behind = seq.saturating_add(1).saturating_sub(oldest);
        items.waiting.values_mut().for_each(|item| item.seq += behind);
        items.newest = (items.newest + behind).max(seq);
    }

    async fn done(&self, done: &[PendingItem]) -> Result<(), StoreError> {
        let mut items = self.items();
        items.moved_at = Some(Instant::now());
        let positions = done.iter().filter_map(|one| one.id.id.parse().ok());
        positions.for_each(|position| items.take(position));
        drop(items);
        self.gone.notify_waiters();
        Ok(())
    }

    async fn kept(&self, room: &RoomName, is_repeated: bool) -> Kept {
        let (lost, newest) = {
            let mut items = self.items();
            (items.lost.newest_of(room, Instant::now()), items.newest_of(room))
        };
        if is_repeated && lost.is_some() {
            return Kept::Lost;
        }
        let Some(newest) = newest else { return Kept::Yes };
        loop {
            let gone = self.gone.notified();
            let (kept, stuck_at) = {
                let mut items = self.items();
                (items.kept(room, newest), items.stuck_at())
            };
            if let Some(kept) = kept {
                return kept;
            }
            // Once it is stuck, this returns at once.
            if timeout_at(stuck_at, gone).await.is_err() {
                return Kept::NotNow;
            }
        }
    }

    fn counts(&self) -> OutboxCounts {
        let items = self.items();
        OutboxCounts { waiting: items.waiting.len() as u64, dropped: items.dropped }
    }
}
