//! The last changes of what a topic holds, encoded, for subscribers that are a little behind.

use std::sync::{Arc, OnceLock};

use crate::{presence::Version, sse::Frame};

/// For subscribers that are a little behind, a snapshot keeps up to this many of the last changes. All but the newest together have
/// at most this many bytes.
const MAX_RECENT_CHANGES: usize = 64;
const MAX_RECENT_BYTES: usize = 64 * 1024;

/// The last changes, oldest first. Each builds on the one before, and the last one made the snapshot that has them.
#[derive(Debug, Default)]
pub(super) struct RecentChanges {
    changes: Vec<RecentChange>,
    /// Several of the last changes as one frame, from the change with the same index on.
    joined_frames: Vec<OnceLock<Arc<Frame>>>,
}

/// A change, encoded.
#[derive(Clone, Debug)]
struct RecentChange {
    prev: Version,
    frame: Arc<Frame>,
}

impl RecentChanges {
    /// These, as far as they are still kept, and one more, which leads on from `prev`.
    pub fn and(&self, prev: Version, frame: Frame) -> Self {
        let mut changes = self.kept().to_vec();
        changes.push(RecentChange { prev, frame: Arc::new(frame) });
        let joined_frames = vec![OnceLock::new(); changes.len()];
        Self { changes, joined_frames }
    }

    /// The changes since a version as one frame. None where they are not kept, or are not smaller than the whole.
    pub fn since(&self, sent: Version, whole_bytes: usize) -> Option<&Arc<Frame>> {
        let first = self.changes.iter().rposition(|change| change.prev == sent)?;
        if let [change] = &self.changes[first..] {
            return Some(&change.frame);
        }
        let frames = || self.changes[first..].iter().map(|change| &*change.frame);
        let bytes: usize = frames().map(|frame| frame.plain().len()).sum();
        (bytes < whole_bytes)
            .then(|| self.joined_frames[first].get_or_init(|| Arc::new(Frame::joined(frames()))))
    }

    /// The size of the frame that most subscribers need.
    pub fn newest_bytes(&self) -> usize {
        self.changes.last().map_or(0, |change| change.frame.chunked().len())
    }

    /// The changes that the next snapshot keeps as well.
    fn kept(&self) -> &[RecentChange] {
        let mut bytes = 0;
        let is_kept = |change: &&RecentChange| {
            bytes += change.frame.chunked().len();
            bytes <= MAX_RECENT_BYTES
        };
        let kept =
            self.changes.iter().rev().take(MAX_RECENT_CHANGES - 1).take_while(is_kept).count();
        &self.changes[self.changes.len() - kept..]
    }
}

/// Writes a JSON array of items that are JSON already.
pub(super) fn write_array<'json>(out: &mut Vec<u8>, items: impl Iterator<Item = &'json [u8]>) {
    out.push(b'[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(item);
    }
    out.push(b']');
}
