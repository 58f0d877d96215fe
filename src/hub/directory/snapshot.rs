//! One snapshot of the list of rooms, or of those with a prefix, and the frames that bring subscribers to it.

use std::sync::{Arc, OnceLock};

use crate::{
    hub::recent_changes::{RecentChanges, write_array},
    json,
    presence::Version,
    sse::Frame,
};

use super::list::{Rooms, RoomsDelta};

/// The list of rooms at a version. Versions count the snapshots of one topic.
#[derive(Debug)]
pub struct RoomsSnapshot {
    version: Version,
    rooms: Rooms,
    changes: RecentChanges,
    list_frame: OnceLock<Arc<Frame>>,
}

impl RoomsSnapshot {
    pub(super) fn first(rooms: Rooms) -> Self {
        Self::new(Version::from_u64(1), rooms, RecentChanges::default())
    }

    /// The snapshot after this one.
    pub(super) fn after(&self, rooms: Rooms, delta: &RoomsDelta) -> Self {
        let version = Version::from_u64(self.version.as_u64() + 1);
        let frame = encode_delta(self.version, version, delta);
        Self::new(version, rooms, self.changes.and(self.version, frame))
    }

    fn new(version: Version, rooms: Rooms, changes: RecentChanges) -> Self {
        Self { version, rooms, changes, list_frame: OnceLock::new() }
    }

    pub fn version(&self) -> Version {
        self.version
    }

    /// The frame for a subscriber that was last sent version `sent`: none if it has this one; the changes since, if they are kept
    /// and smaller than the list; otherwise the list.
    pub fn frame_after(&self, sent: Option<Version>) -> Option<&Arc<Frame>> {
        match sent {
            Some(sent) if sent >= self.version => None,
            Some(sent) => {
                let changes = self.changes.since(sent, self.list_bytes());
                Some(changes.unwrap_or_else(|| self.list_frame()))
            }
            None => Some(self.list_frame()),
        }
    }

    /// The size of the frame that most subscribers need.
    pub(super) fn frame_bytes(&self) -> usize {
        self.changes.newest_bytes()
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
