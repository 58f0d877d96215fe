//! A room's list for those who answer with it. Nothing is encoded before somebody needs it: a client that has the version needs
//! nothing.

use std::{ops::Range, sync::Arc};

use crate::{
    presence::{Counts, RoomName, Version},
    sse::{Frame, PREFIX_BYTES},
};

use super::{
    kept_lists::KeptLists,
    lookup::{Source, StoredList},
    shown_counts,
    snapshot::Snapshot,
};

/// A room's list as it was read.
pub struct ListReading {
    /// Zero for a room that the store does not hold.
    pub version: Version,
    pub source: Source,
    /// Whether the list is known to be everybody.
    pub is_complete: bool,
    list: ReadList,
}

enum ReadList {
    /// The store does not hold the room.
    Nobody,
    Hot(Arc<Snapshot>),
    Stored(StoredList),
}

impl ListReading {
    pub(super) fn hot(snapshot: Arc<Snapshot>, is_complete: bool) -> Self {
        let version = snapshot.version();
        Self { version, source: Source::Hot, is_complete, list: ReadList::Hot(snapshot) }
    }

    pub(super) fn stored(stored: Option<StoredList>, source: Source, is_complete: bool) -> Self {
        let position = stored.as_ref().map(StoredList::position);
        let version = position.map_or(Version::ZERO, |position| position.version);
        let list = stored.map_or(ReadList::Nobody, ReadList::Stored);
        Self { version, source, is_complete, list }
    }

    /// The numbers of the list.
    pub fn counts(&self) -> Counts {
        match &self.list {
            ReadList::Nobody => Counts::default(),
            ReadList::Hot(snapshot) => snapshot.counts(),
            ReadList::Stored(StoredList::Kept(list, _)) => list.counts,
            ReadList::Stored(StoredList::Read(room)) => Counts::of(&room.list()),
        }
    }

    /// The numbers of the list as JSON.
    pub fn counts_json(&self) -> Vec<u8> {
        shown_counts::json_of(self.counts(), self.version)
    }

    /// See [`super::Hub::encoded`].
    pub(super) fn encoded(
        self,
        room: &RoomName,
        kept: &KeptLists,
    ) -> Option<(Arc<Frame>, Range<usize>)> {
        let frame = match self.list {
            ReadList::Nobody => return None,
            ReadList::Hot(snapshot) => return Some(snapshot.list_frame()),
            ReadList::Stored(StoredList::Kept(list, _)) => Arc::clone(&list.frame),
            ReadList::Stored(StoredList::Read(stored)) => {
                Arc::clone(&kept.encode(room, stored).frame)
            }
        };
        let json = PREFIX_BYTES..PREFIX_BYTES + frame.plain().len();
        Some((frame, json))
    }
}
