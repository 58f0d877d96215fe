//! What the tasks of all hot rooms, and that of the list of rooms, share.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use super::{
    directory::Topics, kept_lists::KeptLists, lookup::Lookup, metrics::HubMetrics, rooms::HotRooms,
    topic::Watchers,
};

/// At most this many rooms are read again at the same time. When Redis returns, all hot rooms need it at once.
const MAX_CONCURRENT_RESYNCS: usize = 64;

/// Held by the hub and by each of its tasks.
pub(super) struct Shared {
    pub lookup: Lookup,
    pub rooms: HotRooms,
    /// The topics of streams of all rooms.
    pub all_rooms: Topics,
    /// The lists of rooms that are not hot.
    pub kept_lists: KeptLists,
    pub watchers: Arc<dyn Watchers>,
    pub metrics: HubMetrics,
    /// See [`super::HubConfig`].
    pub coalesce: Duration,
    /// A permit is needed to read a room again.
    pub resyncs: Semaphore,
}

impl Shared {
    pub fn new(
        lookup: Lookup,
        watchers: Arc<dyn Watchers>,
        metrics: HubMetrics,
        coalesce: Duration,
    ) -> Self {
        let resyncs = Semaphore::new(MAX_CONCURRENT_RESYNCS);
        Self {
            lookup,
            rooms: HotRooms::default(),
            all_rooms: Topics::default(),
            kept_lists: KeptLists::default(),
            watchers,
            metrics,
            coalesce,
            resyncs,
        }
    }
}
