//! Items of one outbox that are known without reading it again.

use std::collections::{HashSet, VecDeque};

use crate::store::outbox::{HistoryItem, ItemId, PendingItem};

use super::{super::keys::Bucket, item::StreamId};

/// All that lies in an outbox, in order.
#[derive(Default)]
pub(super) struct KnownItems {
    items: VecDeque<KnownItem>,
    bytes: usize,
}

struct KnownItem {
    id: StreamId,
    /// None if it cannot be read.
    item: Option<HistoryItem>,
    bytes: usize,
}

impl KnownItems {
    pub fn push(&mut self, id: StreamId, item: Option<HistoryItem>, bytes: usize) {
        self.items.push_back(KnownItem { id, item, bytes });
        self.bytes += bytes;
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn newest(&self) -> Option<StreamId> {
        self.items.back().map(|newest| newest.id)
    }

    /// As they are handed out.
    pub fn pending(&self, bucket: Bucket) -> impl Iterator<Item = PendingItem> {
        self.items.iter().map(move |one| one.pending(bucket))
    }

    /// These are taken off.
    pub fn remove(&mut self, ids: &[StreamId]) {
        let ids: HashSet<_> = ids.iter().collect();
        self.items.retain(|one| !ids.contains(&one.id));
        self.bytes = self.items.iter().map(|one| one.bytes).sum();
    }
}

impl KnownItem {
    fn pending(&self, bucket: Bucket) -> PendingItem {
        let (first, second) = self.id;
        let id = ItemId { bucket: bucket.number(), id: format!("{first}-{second}") };
        PendingItem { id, item: self.item.clone() }
    }
}
