//! What this instance knows of the outboxes into which it has put something: which they are, and where it can tell without reading
//! them, what lies there. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::outbox::{OutboxCounts, PendingItem};

use super::{
    super::keys::Bucket,
    item::{NewItem, StreamId},
    known_items::KnownItems,
};

/// The memory for items that are known without reading them. What is above it is read again when its turn comes.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Items that are read of an outbox of which is only known that something may lie there.
const UNKNOWN_COUNT: usize = 16;

#[derive(Default)]
pub(super) struct Waiting {
    buckets: BTreeMap<Bucket, Known>,
    /// The buckets that wait, each by its place, so that each gets its turn.
    queue: BTreeSet<(u64, Bucket)>,
    next_place: u64,
    bytes: usize,
    dropped: u64,
}

/// What is known of the outbox of a bucket.
#[derive(Default)]
struct Known {
    /// Its place in the queue, if it waits.
    place: Option<u64>,
    /// All that lies there, up to the newest id that is known; none where it has to be read.
    items: Option<KnownItems>,
    newest: Option<StreamId>,
    count: u64,
    /// How often this instance learnt of something new in it.
    news: u64,
}

/// What can be handed out now.
#[derive(Default)]
pub(super) struct Found {
    pub items: Vec<PendingItem>,
    pub unread: Vec<Unread>,
}

/// An outbox that has to be read.
pub(super) struct Unread {
    pub bucket: Bucket,
    pub count: usize,
    news: u64,
}

impl Waiting {
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub fn counts(&self) -> OutboxCounts {
        let waiting = self.buckets.values().map(|known| known.count).sum();
        OutboxCounts { waiting, dropped: self.dropped }
    }

    pub fn news_of(&self, bucket: Bucket) -> u64 {
        self.buckets.get(&bucket).map_or(0, |known| known.news)
    }

    /// A step of this instance wrote an item, and the outbox has `count` items now.
    ///
    /// An id that directly follows the newest one tells that nobody else wrote in between, so all that lies there is known.
    pub fn wrote(&mut self, bucket: Bucket, id: StreamId, count: u64, dropped: u64, new: NewItem) {
        self.dropped += dropped;
        let bytes = new.bytes();
        let has_room = self.bytes + bytes <= MAX_BYTES;
        let known = self.buckets.entry(bucket).or_default();
        let is_newest = known.newest.is_none_or(|newest| newest < id);
        let follows = known.newest.is_some_and(|(first, second)| (first, second + 1) == id);
        known.news += 1;
        known.count = count;
        known.newest = known.newest.max(Some(id));
        let before = self.forget(bucket);
        let all = match before {
            _ if !has_room || !is_newest || dropped > 0 => None,
            _ if count == 1 => Some(KnownItems::default()),
            before => before.filter(|_| follows),
        };
        if let Some(mut all) = all {
            all.push(id, Some(new.item), bytes);
            self.learn(bucket, all);
        }
        self.enqueue(bucket);
    }

    /// Something may lie in this outbox: an answer of Redis was lost.
    pub fn doubt(&mut self, bucket: Bucket) {
        self.buckets.entry(bucket).or_default().news += 1;
        self.forget(bucket);
        self.enqueue(bucket);
    }

    /// This many items lie in an outbox. Unless it waits already, they were left behind.
    pub fn found(&mut self, bucket: Bucket, count: u64) {
        if self.buckets.get(&bucket).is_none_or(|known| known.place.is_none()) {
            self.doubt(bucket);
        }
        if let Some(known) = self.buckets.get_mut(&bucket).filter(|known| known.items.is_none()) {
            known.count = count;
        }
    }

    /// About `max` items, those that have waited longest first, and the outboxes that have to be read for more.
    pub fn oldest(&self, max: usize) -> Found {
        let mut found = Found::default();
        let mut left = max;
        for (_, bucket) in &self.queue {
            if left == 0 {
                break;
            }
            let Some(known) = self.buckets.get(bucket) else { continue };
            if let Some(items) = &known.items {
                let before = found.items.len();
                found.items.extend(items.pending(*bucket).take(left));
                left -= found.items.len() - before;
            } else {
                let count = match usize::try_from(known.count).unwrap_or(max) {
                    0 => UNKNOWN_COUNT.min(left),
                    count => count.min(left),
                };
                found.unread.push(Unread { bucket: *bucket, count, news: known.news });
                left -= count;
            }
        }
        found
    }

    /// All of an outbox was read.
    pub fn read_all(&mut self, unread: &Unread, all: KnownItems) {
        if self.news_of(unread.bucket) != unread.news {
            return;
        }
        let known = self.buckets.entry(unread.bucket).or_default();
        known.count = all.len() as u64;
        known.newest = all.newest();
        if all.is_empty() {
            self.dequeue(unread.bucket);
        }
        if self.bytes + all.bytes() <= MAX_BYTES {
            self.learn(unread.bucket, all);
        }
    }

    /// An outbox could not be read. Others come first.
    pub fn put_off(&mut self, bucket: Bucket) {
        self.dequeue(bucket);
        self.enqueue(bucket);
    }

    /// The history has these items, and they were taken off. `left` lay there then. `news` was known of it when they were asked to
    /// be taken off.
    pub fn done(&mut self, bucket: Bucket, ids: &[StreamId], left: u64, news: u64) {
        let Some(known) = self.buckets.get_mut(&bucket) else { return };
        let is_news = known.news != news;
        known.count = if is_news { known.count.saturating_sub(ids.len() as u64) } else { left };
        let is_over = match self.forget(bucket) {
            None => left == 0 && !is_news,
            Some(mut rest) => {
                rest.remove(ids);
                // What others have put there since is theirs to bring into the history.
                let is_over = rest.is_empty();
                self.learn(bucket, rest);
                is_over
            }
        };
        if is_over {
            self.dequeue(bucket);
        }
    }

    fn learn(&mut self, bucket: Bucket, all: KnownItems) {
        self.bytes += all.bytes();
        self.buckets.entry(bucket).or_default().items = Some(all);
    }

    fn forget(&mut self, bucket: Bucket) -> Option<KnownItems> {
        let items = self.buckets.get_mut(&bucket)?.items.take()?;
        self.bytes -= items.bytes();
        Some(items)
    }

    fn enqueue(&mut self, bucket: Bucket) {
        let known = self.buckets.entry(bucket).or_default();
        if known.place.is_none() {
            known.place = Some(self.next_place);
            self.queue.insert((self.next_place, bucket));
            self.next_place += 1;
        }
    }

    fn dequeue(&mut self, bucket: Bucket) {
        let known = self.buckets.entry(bucket).or_default();
        if let Some(place) = known.place.take() {
            self.queue.remove(&(place, bucket));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{presence::RoomName, store::outbox::HistoryItem};

    use super::*;

    fn bucket() -> Bucket {
        Bucket::numbered(7).unwrap()
    }

    fn new(seq: u64) -> NewItem {
        let room = RoomName::parse("general").unwrap();
        NewItem::new(HistoryItem { room, seq, opening: None, records: Vec::new() }, 10)
    }

    fn seqs(items: &[PendingItem]) -> Vec<u64> {
        items.iter().filter_map(|one| one.item.as_ref()).map(|item| item.seq).collect()
    }

    /// What is known without reading; none where the outbox has to be read.
    fn known(waiting: &Waiting) -> Option<Vec<u64>> {
        let found = waiting.oldest(100);
        found.unread.is_empty().then(|| seqs(&found.items))
    }

    fn all(items: &[(StreamId, u64)]) -> KnownItems {
        let mut all = KnownItems::default();
        for (id, seq) in items {
            all.push(*id, Some(new(*seq).item), 1);
        }
        all
    }

    /// The items of these ids were written, each with that number of items afterwards.
    fn wrote(items: &[(StreamId, u64)]) -> Waiting {
        let mut waiting = Waiting::default();
        for (at, (id, count)) in items.iter().enumerate() {
            waiting.wrote(bucket(), *id, *count, 0, new(at as u64));
        }
        waiting
    }

    #[test]
    fn what_lies_there_is_known_only_if_nobody_else_can_have_written_in_between() {
        for (what, items, expected) in [
            ("the first", &[((5, 0), 1)][..], Some(vec![0])),
            ("one after the other", &[((5, 0), 1), ((5, 1), 2)], Some(vec![0, 1])),
            ("the first was taken off", &[((5, 0), 1), ((5, 1), 1)], Some(vec![1])),
            ("it was empty in between", &[((5, 0), 1), ((6, 0), 1)], Some(vec![1])),
            ("another instance wrote the first", &[((5, 1), 2)], None),
            ("another wrote in between", &[((5, 0), 1), ((5, 2), 3)], None),
            ("another wrote, and took ours off", &[((5, 0), 1), ((5, 2), 2)], None),
            ("another began anew", &[((5, 0), 1), ((6, 1), 2)], None),
            ("the answers came in another order", &[((5, 1), 2), ((5, 0), 1)], None),
            ("the clock was set back", &[((5, 0), 1), ((4, 0), 1)], None),
        ] {
            assert_eq!(known(&wrote(items)), expected, "{what}");
        }
    }

    #[test]
    fn an_outbox_that_was_read_is_known_from_then_on() {
        let mut waiting = wrote(&[((5, 1), 2)]);
        let unread = waiting.oldest(100).unread.pop().unwrap();
        assert_eq!((unread.bucket, unread.count), (bucket(), 2));
        waiting.read_all(&unread, all(&[((5, 0), 7), ((5, 1), 8)]));
        assert_eq!(known(&waiting), Some(vec![7, 8]));
        waiting.wrote(bucket(), (5, 2), 3, 0, new(9));
        assert_eq!(known(&waiting), Some(vec![7, 8, 9]));
    }

    #[test]
    fn what_was_written_while_it_was_read_has_it_read_again() {
        let mut waiting = wrote(&[((5, 1), 2)]);
        let unread = waiting.oldest(100).unread.pop().unwrap();
        waiting.wrote(bucket(), (5, 2), 3, 0, new(9));
        waiting.read_all(&unread, all(&[((5, 0), 7), ((5, 1), 8)]));
        assert_eq!(known(&waiting), None);
    }

    #[test]
    fn an_outbox_waits_until_all_that_was_known_of_it_is_done() {
        let mut waiting = wrote(&[((5, 0), 1), ((5, 1), 2)]);
        let news = waiting.news_of(bucket());
        waiting.done(bucket(), &[(5, 0)], 1, news);
        assert_eq!(known(&waiting), Some(vec![1]));
        waiting.wrote(bucket(), (5, 2), 2, 0, new(2));
        waiting.done(bucket(), &[(5, 1)], 1, news);
        assert_eq!((known(&waiting), waiting.counts().waiting), (Some(vec![2]), 1));
        waiting.done(bucket(), &[(5, 2)], 0, waiting.news_of(bucket()));
        assert!(waiting.is_empty() && waiting.bytes == 0);
    }

    #[test]
    fn a_doubt_remains_until_the_outbox_is_read_or_empty() {
        let mut waiting = wrote(&[((5, 0), 1)]);
        waiting.doubt(bucket());
        assert_eq!((known(&waiting), waiting.bytes), (None, 0));
        waiting.done(bucket(), &[(5, 0)], 0, waiting.news_of(bucket()) - 1);
        assert!(!waiting.is_empty(), "it came up while that was on its way");
        waiting.done(bucket(), &[(5, 0)], 1, waiting.news_of(bucket()));
        assert!(!waiting.is_empty(), "something is left");
        waiting.done(bucket(), &[(5, 1)], 0, waiting.news_of(bucket()));
        assert!(waiting.is_empty());
    }

    #[test]
    fn what_is_known_takes_no_more_memory_than_it_may() {
        let mut waiting = wrote(&[((5, 0), 1)]);
        let one = waiting.bytes;
        waiting.bytes = MAX_BYTES - one;
        waiting.wrote(bucket(), (5, 1), 2, 0, new(1));
        assert_eq!(known(&waiting), Some(vec![0, 1]), "this one fits");
        waiting.wrote(bucket(), (5, 2), 3, 0, new(2));
        assert_eq!(known(&waiting), None);
        assert!(waiting.bytes < MAX_BYTES, "what has to be read again takes none");
    }

    #[test]
    fn each_outbox_gets_its_turn_and_one_that_cannot_be_read_waits_for_the_others() {
        let other = |number| Bucket::numbered(number).unwrap();
        let mut waiting = Waiting::default();
        for number in [7, 3, 5] {
            waiting.found(other(number), 40);
        }
        let turns = |waiting: &Waiting, max| -> Vec<_> {
            let unread = waiting.oldest(max).unread;
            unread.iter().map(|one| (one.bucket.number(), one.count)).collect()
        };
        assert_eq!(turns(&waiting, 100), [(7, 40), (3, 40), (5, 20)]);
        waiting.put_off(other(7));
        assert_eq!(turns(&waiting, 50), [(3, 40), (5, 10)]);
        assert_eq!(waiting.counts().waiting, 120);
        waiting.found(other(3), 90);
        waiting.doubt(other(9));
        assert_eq!(turns(&waiting, 200), [(3, 90), (5, 40), (7, 40), (9, 16)]);
    }

    #[test]
    fn what_was_dropped_is_counted() {
        let mut waiting = wrote(&[((5, 0), 1)]);
        waiting.wrote(bucket(), (5, 1), 1, 1, new(1));
        assert_eq!(waiting.counts(), OutboxCounts { waiting: 1, dropped: 1 });
        assert_eq!(known(&waiting), None, "who knows what else is gone");
    }
}
