//! An item on its way into the outbox, and where it came to lie.

use crate::store::outbox::HistoryItem;

use super::super::rows::to_json;

/// An id of a stream: the number before the dash, and the one behind it.
pub(in crate::store::redis) type StreamId = (u64, u64);

/// An item that is written with a step.
pub(in crate::store::redis) struct NewItem {
    pub item: HistoryItem,
    json: Vec<u8>,
    max: String,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store::redis) enum Noted {
    /// There was none.
    Nothing,
    /// It is in the outbox, which has `count` items now, after it dropped the oldest if there were too many.
    Outbox { id: StreamId, count: u64, dropped: u64 },
    /// It may be in the outbox.
    Perhaps,
}

impl NewItem {
    /// For an outbox that holds at most `max` items.
    pub fn new(item: HistoryItem, max: usize) -> Self {
        Self { json: to_json(&item), item, max: max.to_string() }
    }

    /// As the script wants it.
    pub fn arguments(&self) -> [&[u8]; 2] {
        [self.max.as_bytes(), &self.json]
    }

    pub fn bytes(&self) -> usize {
        self.json.len()
    }
}

/// Reads an id as Redis writes it.
pub(in crate::store::redis) fn stream_id(text: &str) -> Option<StreamId> {
    let (first, second) = text.split_once('-')?;
    Some((first.parse().ok()?, second.parse().ok()?))
}
