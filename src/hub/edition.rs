//! One edition of a room: its list at one version, and the frames made of it, each encoded at most once.

use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};

use serde::Serialize;

use crate::presence::{Departure, HostTime, Participant, Room, RoomName, StoreTime, Version};

use super::{
    Frame,
    frame::PREFIX_BYTES,
    json,
    list::{Entry, List},
};

/// What a stream shows of its rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// The whole list at each change (`participants:update`), for streams of one room.
    Lists,
    /// A snapshot, then what became different (`room:snapshot`, `room:delta`), for streams of many rooms.
    Deltas,
}

/// A room's list at a version.
#[derive(Clone, Debug)]
pub struct Edition {
    room: RoomName,
    version: Version,
    entries: Arc<Vec<Arc<Entry>>>,
    delta: Option<Arc<Delta>>,
    /// The store has lost whatever later version a reader was sent elsewhere.
    replaces_later: bool,
    /// When the oldest webhook in it arrived. For measurements only.
    received_at: Option<HostTime>,
    confirmed_until: StoreTime,
    update_frame: OnceLock<Update>,
    snapshot_frame: OnceLock<Arc<Frame>>,
    delta_frame: OnceLock<Arc<Frame>>,
}

/// What is different from the edition before.
#[derive(Debug)]
pub(super) struct Delta {
    pub prev: Version,
    pub joined: Vec<Participant>,
    pub updated: Vec<Participant>,
    pub left: Vec<Departure>,
}

#[derive(Clone, Debug)]
struct Update {
    frame: Arc<Frame>,
    /// Where in the frame the list stands: a GET's body is that part of the same bytes.
    json: Range<usize>,
}

impl Edition {
    pub(super) fn new(
        room: RoomName,
        version: Version,
        list: &List,
        delta: Option<Delta>,
        received_at: Option<HostTime>,
        confirmed_until: StoreTime,
    ) -> Self {
        Self {
            room,
            version,
            entries: list.entries(),
            delta: delta.map(Arc::new),
            replaces_later: false,
            received_at,
            confirmed_until,
            update_frame: OnceLock::new(),
            snapshot_frame: OnceLock::new(),
            delta_frame: OnceLock::new(),
        }
    }

    /// Of a room as the store holds it.
    pub fn of_room(name: &RoomName, room: &Room) -> Self {
        let list = List::new(room.list());
        Self::new(name.clone(), room.version(), &list, None, None, room.confirmed_until())
    }

    /// The same, also for those who were sent a later version elsewhere, which the store has lost since.
    pub(super) fn replacing_later(&self) -> Self {
        Self { replaces_later: true, received_at: None, ..self.clone() }
    }

    pub fn version(&self) -> Version {
        self.version
    }

    pub fn received_at(&self) -> Option<HostTime> {
        self.received_at
    }

    /// Until when this list counts as everybody, as far as was known when it was made.
    pub fn confirmed_until(&self) -> StoreTime {
        self.confirmed_until
    }

    /// The list as a JSON array.
    pub fn json(&self) -> impl AsRef<[u8]> + Send + 'static {
        let update = self.update();
        JsonOf { frame: Arc::clone(&update.frame), json: update.json.clone() }
    }

    /// What a connection needs that was last sent `sent`: nothing if that is this or newer, the difference if it builds on
    /// it and the connection takes differences, otherwise the list.
    pub fn frame_after(&self, sent: Option<Version>, view: View) -> Option<&Arc<Frame>> {
        let is_later = |sent| self.version < sent && self.replaces_later;
        if sent.is_some_and(|sent| self.version <= sent && !is_later(sent)) {
            return None;
        }
        Some(match view {
            View::Lists => &self.update().frame,
            View::Deltas => match self.delta.as_ref().filter(|delta| Some(delta.prev) == sent) {
                Some(delta) => self.delta_frame(delta),
                None => self.snapshot_frame(),
            },
        })
    }

    /// Encodes the frame that most readers of this kind will want, so that delivery does not have to.
    pub(super) fn encode_for(&self, view: View) {
        let _ = self.frame_after(self.delta.as_ref().map(|delta| delta.prev), view);
    }

    /// The size of a list's frame, or an estimate of it where none was encoded.
    pub(super) fn list_bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.json.len() + 1).sum::<usize>() + 64
    }

    fn update(&self) -> &Update {
        self.update_frame.get_or_init(|| {
            let mut json = 0..0;
            let frame = Frame::event("participants:update", Some(self.version), |out| {
                let start = out.len();
                self.write_list(out);
                json = start..out.len();
            });
            Update { frame: Arc::new(frame), json }
        })
    }

    fn snapshot_frame(&self) -> &Arc<Frame> {
        self.snapshot_frame.get_or_init(|| {
            let head = json::line(&Head { room: &self.room, version: self.version });
            Arc::new(Frame::event("room:snapshot", None, |out| {
                out.extend_from_slice(&head[..head.len() - 1]);
                out.extend_from_slice(b",\"participants\":");
                self.write_list(out);
                out.push(b'}');
            }))
        })
    }

    fn delta_frame(&self, delta: &Delta) -> &Arc<Frame> {
        self.delta_frame.get_or_init(|| {
            let body = DeltaBody {
                room: &self.room,
                prev: delta.prev,
                version: self.version,
                joined: &delta.joined,
                updated: &delta.updated,
                left: &delta.left,
            };
            Arc::new(Frame::event("room:delta", None, |out| {
                json::write_line(out, &body);
            }))
        })
    }

    fn write_list(&self, out: &mut Vec<u8>) {
        out.reserve(self.list_bytes());
        out.push(b'[');
        for (index, entry) in self.entries.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&entry.json);
        }
        out.push(b']');
    }
}

#[derive(Serialize)]
struct Head<'a> {
    room: &'a RoomName,
    version: Version,
}

#[derive(Serialize)]
struct DeltaBody<'a> {
    room: &'a RoomName,
    prev: Version,
    version: Version,
    joined: &'a [Participant],
    updated: &'a [Participant],
    left: &'a [Departure],
}

struct JsonOf {
    frame: Arc<Frame>,
    json: Range<usize>,
}

impl AsRef<[u8]> for JsonOf {
    fn as_ref(&self) -> &[u8] {
        &self.frame.chunked()[self.json.clone()]
    }
}

const _: () =
    assert!(PREFIX_BYTES > 0, "the JSON's range counts from the start of the chunk's prefix");
