//! An item on its way into the outbox, and where it came to lie.

use std::time::Duration;

use crate::store::outbox::{HistoryItem, OutboxSettings};

use super::super::rows::to_json;

/// What nobody brings into the history goes after this time, or as early as the history would delete it.
const MAX_KEEP: Duration = Duration::from_hours(30 * 24);

/// An id of a stream: the number before the dash, and the one behind it.
pub(in crate::store::redis) type StreamId = (u64, u64);

/// An item that is written with a step.
pub(in crate::store::redis) struct NewItem {
    pub item: HistoryItem,
    json: Vec<u8>,
    max: String,
    keep_secs: String,
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
    /// For an outbox that is set up so.
    pub fn new(item: HistoryItem, settings: OutboxSettings) -> Self {
        let keep_secs = settings.keep.min(MAX_KEEP).as_secs().max(1).to_string();
        Self { json: to_json(&item), item, max: settings.max.to_string(), keep_secs }
    }

    /// As the script wants it.
    pub fn arguments(&self) -> [&[u8]; 3] {
        [self.max.as_bytes(), self.keep_secs.as_bytes(), &self.json]
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
