//! The outbox in this process. What lies here is lost with it, so LiveKit gets its answer once the history has it.

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

#[cfg(test)]
mod tests {
    use std::future::Future;

    use futures_util::FutureExt;
    use tokio::time::advance;

    use super::*;
    use crate::presence::Record;

    fn outbox(max: usize) -> MemoryOutbox {
        MemoryOutbox::new(OutboxSettings { metadata: false, max, keep: Duration::MAX })
    }

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).unwrap()
    }

    fn add(outbox: &MemoryOutbox, name: &str, now: u64) {
        outbox.add(item(name, Vec::new()), StoreTime::from_micros(now));
    }

    fn item(name: &str, records: Vec<Record>) -> HistoryItem {
        HistoryItem { room: room(name), seq: 0, opening: None, records }
    }

    async fn waiting(outbox: &MemoryOutbox) -> Vec<(String, u64)> {
        let pending = outbox.pending(100).await.unwrap();
        let item = |one: PendingItem| one.item.expect("it can be read");
        pending.into_iter().map(item).map(|item| (item.room.to_string(), item.seq)).collect()
    }

    fn is_ready(kept: &mut (impl Future<Output = Kept> + Unpin)) -> bool {
        kept.now_or_never().is_some_and(|kept| kept == Kept::Yes)
    }

    #[tokio::test]
    async fn items_wait_in_order_until_they_are_done_and_their_seq_only_rises() {
        let outbox = outbox(10);
        for (name, now) in [("a", 100), ("b", 100), ("a", 50), ("a", 300)] {
            add(&outbox, name, now);
        }
        let all = [("a", 100), ("b", 101), ("a", 102), ("a", 300)];
        let all = all.map(|(name, seq)| (name.to_owned(), seq));
        assert_eq!(waiting(&outbox).await, all);
        let first = outbox.pending(2).await.unwrap();
        assert_eq!(waiting(&outbox).await, all, "they come again until they are done");
        outbox.done(&first).await.unwrap();
        outbox.done(&first).await.unwrap();
        assert_eq!(waiting(&outbox).await, all[2..]);
        assert_eq!(outbox.counts(), OutboxCounts { waiting: 2, dropped: 0 });
    }

    #[tokio::test]
    async fn items_are_newer_than_the_rows_although_the_clock_was_set_back() {
        let outbox = outbox(10);
        let seqs =
            async || waiting(&outbox).await.into_iter().map(|(_, seq)| seq).collect::<Vec<_>>();
        add(&outbox, "a", 100);
        add(&outbox, "b", 105);
        outbox.begin_above(500);
        assert_eq!(seqs().await, [501, 506]);
        add(&outbox, "c", 110);
        assert_eq!(seqs().await, [501, 506, 507]);
        outbox.done(&outbox.pending(10).await.unwrap()).await.unwrap();
        outbox.begin_above(900);
        add(&outbox, "d", 120);
        add(&outbox, "e", 2_000);
        outbox.begin_above(900);
        assert_eq!(seqs().await, [901, 2_000]);
    }

    #[tokio::test]
    async fn a_room_is_kept_when_all_its_items_are_done_that_came_before() {
        let outbox = outbox(10);
        assert!(is_ready(&mut outbox.kept(&room("a"), false)), "nothing was added");
        for name in ["a", "b", "a"] {
            add(&outbox, name, 1);
        }
        let name = room("a");
        let mut kept = outbox.kept(&name, false);
        assert!(!is_ready(&mut kept));
        add(&outbox, "a", 1);
        let [first, of_b, second, later] = &outbox.pending(10).await.unwrap()[..] else { panic!() };
        outbox.done(&[second.clone(), of_b.clone()]).await.unwrap();
        assert!(!is_ready(&mut kept), "its first item is not done");
        outbox.done(std::slice::from_ref(first)).await.unwrap();
        assert!(is_ready(&mut kept), "the later item does not count");
        assert!(!is_ready(&mut outbox.kept(&name, false)), "but it does for whoever asks now");
        outbox.done(std::slice::from_ref(later)).await.unwrap();
        assert!(is_ready(&mut outbox.kept(&name, false)));
        assert!(outbox.items().of_rooms.is_empty());
    }

    #[tokio::test]
    async fn above_the_bound_the_oldest_items_are_dropped_and_counted_and_not_told_to_be_kept() {
        let outbox = outbox(2);
        add(&outbox, "a", 1);
        let name = room("a");
        let mut kept = outbox.kept(&name, false);
        assert_eq!((&mut kept).now_or_never(), None);
        for name in ["b", "c", "d"] {
            add(&outbox, name, 1);
        }
        assert_eq!(kept.now_or_never(), Some(Kept::Lost));
        assert_eq!(waiting(&outbox).await, [("c".to_owned(), 3), ("d".to_owned(), 4)]);
        assert_eq!(outbox.counts(), OutboxCounts { waiting: 2, dropped: 2 });
        for (repeated, expected) in [(true, Kept::Lost), (false, Kept::Yes)] {
            let kept = outbox.kept(&name, repeated).await;
            assert_eq!(kept, expected, "a webhook that adds nothing, repeated: {repeated}");
        }
        // A newer item of the room is kept, whatever became of an older one.
        add(&outbox, "a", 1);
        let mut newer = outbox.kept(&name, false);
        assert_eq!((&mut newer).now_or_never(), None);
        outbox.done(&outbox.pending(10).await.unwrap()).await.unwrap();
        assert_eq!(newer.await, Kept::Yes);
        assert_eq!(outbox.kept(&name, true).await, Kept::Lost);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_history_that_takes_nothing() {
        let outbox = outbox(10);
        let (a, b, c) = (room("a"), room("b"), room("c"));
        let now = |room| outbox.kept(room, false).now_or_never();
        add(&outbox, "a", 1);
        let asked = Instant::now();
        assert_eq!(outbox.kept(&a, false).await, Kept::NotNow);
        assert!(asked.elapsed() >= STUCK_AFTER, "{:?}", asked.elapsed());
        add(&outbox, "b", 1);
        assert_eq!((now(&a), now(&b)), (Some(Kept::NotNow), Some(Kept::NotNow)));
        assert_eq!(now(&c), Some(Kept::Yes), "nothing of it waits");
        let [first, second] = &outbox.pending(10).await.unwrap()[..] else { panic!() };
        outbox.done(std::slice::from_ref(first)).await.unwrap();
        assert_eq!((now(&a), now(&b)), (Some(Kept::Yes), None), "it takes items again");
        outbox.done(std::slice::from_ref(second)).await.unwrap();
        advance(2 * STUCK_AFTER).await;
        add(&outbox, "a", 1);
        assert_eq!(now(&a), None, "there was nothing to take");
    }

    #[tokio::test]
    async fn large_items_make_room_earlier_and_the_newest_waits_whatever_its_size() {
        let outbox = outbox(100);
        let json = r#"{"shown":{"stay":{"sid":"PA_1","identity":"alice","joinedAt":5},"since":5,"media":{},"at":6,"toldBy":"webhook"}}"#;
        let mut large: Record = serde_json::from_str(json).unwrap();
        let Record::Shown(shown) = &mut large else { panic!("it is one") };
        shown.stay.metadata = Some("m".repeat(MIN_BYTES / 2));
        for (name, records, expected) in [
            ("small", vec![], 1),
            ("large", vec![large.clone()], 2),
            ("larger", vec![large.clone(), large.clone()], 1),
            ("last", vec![], 1),
        ] {
            outbox.add(item(name, records), StoreTime::default());
            assert_eq!(waiting(&outbox).await.len(), expected, "{name}");
        }
        assert_eq!(outbox.items().bytes, 0);
    }

    #[tokio::test]
    async fn whoever_waits_for_items_is_told_of_one_that_came_before() {
        let outbox = outbox(10);
        assert!(outbox.added().now_or_never().is_none());
        add(&outbox, "a", 1);
        assert!(outbox.added().now_or_never().is_some());
        assert!(outbox.added().now_or_never().is_none());
    }
}
