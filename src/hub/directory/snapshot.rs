//! One snapshot of the list of rooms, or of those with a prefix, and the frames that bring subscribers to it.

use std::sync::{Arc, OnceLock};

use crate::{
    json,
    presence::Version,
    sse::{Frame, encode_chunk},
};

use super::list::{Rooms, RoomsDelta};

/// For subscribers that are a little behind, a snapshot keeps up to this many of the last changes. All but the newest together have
/// at most this many bytes.
const MAX_RECENT_CHANGES: usize = 64;
const MAX_RECENT_BYTES: usize = 64 * 1024;

/// The list of rooms at a version. Versions count the snapshots of one topic.
#[derive(Debug)]
pub struct RoomsSnapshot {
    version: Version,
    rooms: Rooms,
    /// The last changes, oldest first. Each builds on the one before, and the last one made this snapshot.
    changes: Vec<RecentChange>,
    /// Several of the last changes as one frame, from the change with the same index on.
    joined_frames: Vec<OnceLock<Arc<Frame>>>,
    list_frame: OnceLock<Arc<Frame>>,
}

/// A change, encoded.
#[derive(Clone, Debug)]
struct RecentChange {
    prev: Version,
    frame: Arc<Frame>,
}

impl RoomsSnapshot {
    pub(super) fn first(rooms: Rooms) -> Self {
        Self::new(Version::from_u64(1), rooms, Vec::new())
    }

    /// The snapshot after this one.
    pub(super) fn after(&self, rooms: Rooms, delta: &RoomsDelta) -> Self {
        let version = Version::from_u64(self.version.as_u64() + 1);
        let frame = Arc::new(encode_delta(self.version, version, delta));
        let mut changes = self.recent_changes().to_vec();
        changes.push(RecentChange { prev: self.version, frame });
        Self::new(version, rooms, changes)
    }

    fn new(version: Version, rooms: Rooms, changes: Vec<RecentChange>) -> Self {
        let joined_frames = vec![OnceLock::new(); changes.len()];
        Self { version, rooms, changes, joined_frames, list_frame: OnceLock::new() }
    }

    pub fn version(&self) -> Version {
        self.version
    }

    /// The frame for a subscriber that was last sent version `sent`: none if it has this one; the changes since, if they are kept
    /// and smaller than the list; otherwise the list.
    pub fn frame_after(&self, sent: Option<Version>) -> Option<&Arc<Frame>> {
        match sent {
            Some(sent) if sent >= self.version => None,
            Some(sent) => Some(self.changes_since(sent).unwrap_or_else(|| self.list_frame())),
            None => Some(self.list_frame()),
        }
    }

    /// The size of the frame that most subscribers need.
    pub(super) fn frame_bytes(&self) -> usize {
        self.changes.last().map_or(0, |change| change.frame.chunked().len())
    }

    /// The last changes that the next snapshot keeps as well.
    fn recent_changes(&self) -> &[RecentChange] {
        let mut bytes = 0;
        let is_kept = |change: &&RecentChange| {
            bytes += change.frame.chunked().len();
            bytes <= MAX_RECENT_BYTES
        };
        let kept =
            self.changes.iter().rev().take(MAX_RECENT_CHANGES - 1).take_while(is_kept).count();
        &self.changes[self.changes.len() - kept..]
    }

    fn changes_since(&self, sent: Version) -> Option<&Arc<Frame>> {
        let first = self.changes.iter().rposition(|change| change.prev == sent)?;
        if let [change] = &self.changes[first..] {
            return Some(&change.frame);
        }
        let frames = || self.changes[first..].iter().map(|change| &change.frame);
        let bytes: usize = frames().map(|frame| frame.plain().len()).sum();
        (bytes < self.list_bytes()).then(|| {
            self.joined_frames[first].get_or_init(|| {
                Arc::new(encode_chunk(|out| {
                    frames().for_each(|frame| out.extend_from_slice(frame.plain()));
                }))
            })
        })
    }

    fn list_bytes(&self) -> usize {
        self.rooms.iter().map(|room| room.json.len() + 1).sum::<usize>() + 64
    }

    fn list_frame(&self) -> &Arc<Frame> {
        self.list_frame.get_or_init(|| {
            Arc::new(Frame::event("rooms:snapshot", None, |out| {
                out.reserve(self.list_bytes());
                out.extend_from_slice(
                    format!("{{\"version\":{},\"rooms\":", self.version).as_bytes(),
                );
                write_array(out, self.rooms.iter().map(|room| &*room.json));
                out.push(b'}');
            }))
        })
    }
}

fn encode_delta(prev: Version, version: Version, delta: &RoomsDelta) -> Frame {
    Frame::event("rooms:delta", None, |out| {
        let head = format!("{{\"prev\":{prev},\"version\":{version},\"changed\":");
        out.extend_from_slice(head.as_bytes());
        write_array(out, delta.changed().map(|room| &*room.json));
        out.extend_from_slice(b",\"gone\":");
        json::write_line(out, &delta.gone().collect::<Vec<_>>());
        out.push(b'}');
    })
}

fn write_array<'json>(out: &mut Vec<u8>, items: impl Iterator<Item = &'json [u8]>) {
    out.push(b'[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(item);
    }
    out.push(b']');
}
