//! What this instance knows of the outboxes into which it has put something: which they are, and where it can tell without reading
//! them, what lies there. No I/O.

#[cfg(test)]
mod tests;

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
    /// Whether this instance has looked into all outboxes.
    has_looked: bool,
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
    /// What this instance cannot bring into the history, and leaves to others.
    left: BTreeSet<StreamId>,
    /// The oldest that lay there when this instance last looked into all outboxes.
    seen: Option<StreamId>,
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

    /// This instance looks into all outboxes, also those of others, and `count` items lie in this one. They were left behind if the
    /// oldest of them lay there at the last look, too: the instance that wrote it would have taken it off. At the first look nobody
    /// knows, and all of them are taken.
    pub fn looked(&mut self, bucket: Bucket, count: u64, oldest: Option<StreamId>) {
        let known = self.buckets.entry(bucket).or_default();
        let seen = std::mem::replace(&mut known.seen, oldest);
        if oldest.is_none() {
            known.left.clear();
        }
        let is_for_others = count <= known.left.len() as u64;
        if oldest.is_some() && !is_for_others && (!self.has_looked || seen == oldest) {
            self.found(bucket, count);
        }
    }

    /// Every outbox was looked into.
    pub fn has_looked(&mut self) {
        self.has_looked = true;
    }

    /// This many items lie in an outbox. Unless it waits already, they were left behind.
    fn found(&mut self, bucket: Bucket, count: u64) {
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
            self.is_over(bucket);
        }
    }

    /// This instance cannot bring these items into the history. Another one may.
    pub fn leave(&mut self, bucket: Bucket, ids: &[StreamId]) {
        self.buckets.entry(bucket).or_default().left.extend(ids);
        // Where it is not known what lies there, it is read again, without these.
        let Some(mut rest) = self.forget(bucket) else { return };
        rest.remove(ids);
        let count = rest.len() as u64;
        self.learn(bucket, rest);
        if count == 0 {
            self.is_over(bucket);
        } else if let Some(known) = self.buckets.get_mut(&bucket) {
            known.count = count;
        }
    }

    pub fn is_left(&self, bucket: Bucket, id: StreamId) -> bool {
        self.buckets.get(&bucket).is_some_and(|known| known.left.contains(&id))
    }

    /// Nothing that concerns this instance lies there any more.
    fn is_over(&mut self, bucket: Bucket) {
        self.dequeue(bucket);
        if let Some(known) = self.buckets.get_mut(&bucket) {
            known.count = 0;
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
