//! Publishes snapshots of a hot room: the first change at once, later ones at the end of a window that grows with their cost.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::presence::{Difference, HostTime};

use super::{
    super::{
        snapshot::{Delta, Snapshot, View},
        window,
    },
    pending::Pending,
    task::HotRoom,
};

/// A smaller frame counts as one of this size: the system call takes most of its time.
const MIN_FRAME_BYTES: usize = 2 * 1024;

impl HotRoom {
    /// Publishes a snapshot with what is pending, and opens a window.
    pub(super) fn publish(&mut self) {
        let Pending { diff, received_at } = self.pending.take().unwrap_or_default();
        let Difference { joined, updated, left, .. } =
            diff.finish(|identity| self.list.get(identity).cloned());
        let delta = Delta { prev: self.published, joined, updated, left };
        let snapshot = self.put_out(Some(delta), received_at);
        self.announce();
        self.shared.metrics.published();
        let window = self.window(&snapshot);
        self.window_ends = Instant::now() + window;
    }

    /// Puts a snapshot into the topic. The caller then announces it, or marks it as announced while no worker watches.
    pub(super) fn put_out(
        &mut self,
        delta: Option<Delta>,
        received_at: Option<HostTime>,
    ) -> Arc<Snapshot> {
        self.pending = None;
        self.published = self.version;
        let before = self.room.newest();
        let snapshot = Arc::new(Snapshot::new(
            self.room.name().clone(),
            self.version,
            &self.list,
            delta.map(|delta| (delta, before.as_deref())),
            received_at,
        ));
        for view in View::ALL {
            if self.room.topic().count(view) > 0 {
                snapshot.encode_for(view, before.as_deref());
            }
        }
        self.room.publish(Arc::clone(&snapshot), self.knowledge.completeness());
        snapshot
    }

    /// Sends the newest list also to subscribers that kept a later version from elsewhere. The store has lost that version for
    /// good.
    pub(super) fn settle(&self) {
        if let Some(newest) = self.room.newest() {
            let newest = Arc::new(newest.replacing_later());
            self.room.publish(newest, self.knowledge.completeness());
            self.announce();
        }
    }

    /// Tells the workers that watch the topic that a snapshot is in it.
    fn announce(&self) {
        self.shared.watchers.topic_changed(self.room.topic());
        self.room.topic().announced();
    }

    /// How long to hold back later changes. (Those of a lost list wait for `LOST_LIST_DELAY`.)
    fn window(&self, snapshot: &Snapshot) -> Duration {
        let bytes_of = |view| match self.room.topic().count(view) {
            0 => 0,
            count => match snapshot.frame_bytes(view) {
                0 => 0,
                bytes => bytes.max(MIN_FRAME_BYTES).saturating_mul(count),
            },
        };
        let bytes = View::ALL.into_iter().map(bytes_of).fold(0, usize::saturating_add);
        window::after(bytes, self.shared.coalesce)
    }
}
