//! What a topic of the feed holds: the last events of its filter, and the frames made of them, each encoded at most once.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, Weak},
};

use crate::{
    presence::Version,
    sse::{Frame, silent_heartbeat},
    store::LogId,
};

use super::{entry::join, kept::Kept};

/// A snapshot itself holds at most this many bytes of frames for subscribers that are further behind than most.
const MAX_HELD_BYTES: usize = 64 * 1024;

/// What came after the events that a subscriber was sent is no longer kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotKept;

/// The last events of one filter. Versions count them, and mean something only within one topic.
#[derive(Debug)]
pub struct EventsSnapshot {
    kept: Kept,
    /// The version of the snapshot that was published before. Most subscribers have it.
    prev: Version,
    /// The place in the log up to which the filter's events are in.
    position: LogId,
    /// From the newest that were published together.
    newest: OnceLock<Arc<Frame>>,
    /// For subscribers that are further behind, by the number of kept events that they have.
    behind: Mutex<Behind>,
    heartbeat: OnceLock<Arc<Frame>>,
    bare_heartbeat: OnceLock<Arc<Frame>>,
}

/// Frames for subscribers that are further behind than most. Each of them may be at another place, and a frame may have all that
/// is kept. So only small ones are held, since a fan-out that came late needs one of these for many subscribers. A large one lives
/// while a connection keeps it, which delivery counts and bounds.
#[derive(Debug, Default)]
struct Behind {
    frames: HashMap<usize, Weak<Frame>>,
    held: Vec<Arc<Frame>>,
    held_bytes: usize,
}

impl EventsSnapshot {
    pub(super) fn new(kept: Kept, prev: Version, position: LogId) -> Self {
        Self {
            kept,
            prev,
            position,
            newest: OnceLock::new(),
            behind: Mutex::default(),
            heartbeat: OnceLock::new(),
            bare_heartbeat: OnceLock::new(),
        }
    }

    pub fn version(&self) -> Version {
        self.kept.version()
    }

    /// The frame for a subscriber that was last sent version `sent`: none if it has everything. Every subscriber begins with a
    /// version.
    ///
    /// # Errors
    /// What comes next is no longer kept.
    pub fn frame_after(
        &self,
        sent: Option<Version>,
    ) -> Result<Option<Cow<'_, Arc<Frame>>>, NotKept> {
        let sent = sent.ok_or(NotKept)?;
        if sent == self.version() {
            return Ok(None);
        }
        let had = self.kept.index_after(sent).ok_or(NotKept)?;
        let frame = || join(self.kept.skip(had));
        if sent == self.prev {
            return Ok(Some(Cow::Borrowed(self.newest.get_or_init(frame))));
        }
        let mut behind = self.behind.lock().expect("nothing panics while it is locked");
        Ok(Some(Cow::Owned(behind.get_or_make(had, frame))))
    }

    /// Encodes in advance the frame that most subscribers will need, so that no worker has to.
    pub(super) fn encode(&self) {
        let _ = self.frame_after(Some(self.prev));
    }

    /// The heartbeat of a subscriber that was sent this version. It tells the place in the log, so that a subscriber whose filter
    /// rarely lets something pass does not come back with an id from long ago.
    pub fn heartbeat_for(&self, sent: Option<Version>) -> &Arc<Frame> {
        if sent == Some(self.version()) {
            self.heartbeat.get_or_init(|| Arc::new(silent_heartbeat(Some(&self.position))))
        } else {
            self.bare_heartbeat.get_or_init(|| Arc::new(silent_heartbeat(None::<&LogId>)))
        }
    }
}

impl Behind {
    fn get_or_make(&mut self, had: usize, make: impl FnOnce() -> Arc<Frame>) -> Arc<Frame> {
        if let Some(frame) = self.frames.get(&had).and_then(Weak::upgrade) {
            return frame;
        }
        let frame = make();
        self.frames.insert(had, Arc::downgrade(&frame));
        let bytes = frame.plain().len();
        if bytes <= MAX_HELD_BYTES {
            if self.held_bytes + bytes > MAX_HELD_BYTES {
                self.held.clear();
                self.held_bytes = 0;
            }
            self.held_bytes += bytes;
            self.held.push(Arc::clone(&frame));
        }
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::Entry;
    use super::*;
    use crate::store::{FeedEvent, LoggedEvent};

    const EVENTS: u64 = 200;

    /// A topic that keeps events of 2,000 bytes each.
    fn snapshot() -> EventsSnapshot {
        let mut kept = Kept::new();
        let mut id = LogId::default();
        for _ in 0..EVENTS {
            let prev = id;
            id = id.next(0);
            let name = "room_started".to_owned();
            let event = FeedEvent::new(id.to_string(), name, None, &"x".repeat(2_000), 0);
            kept.append(&[Entry::of(LoggedEvent { id, prev, event: Arc::new(event) })]);
        }
        EventsSnapshot::new(kept, Version::from_u64(EVENTS - 1), id)
    }

    fn frame_after(snapshot: &EventsSnapshot, sent: u64) -> Arc<Frame> {
        let sent = Some(Version::from_u64(sent));
        snapshot.frame_after(sent).unwrap().expect("there are newer events").into_owned()
    }

    #[test]
    fn subscribers_that_are_behind_at_many_places_leave_little_in_memory() {
        let snapshot = snapshot();
        let frames: Vec<_> =
            (0..EVENTS - 1).map(|sent| Arc::downgrade(&frame_after(&snapshot, sent))).collect();
        let left = frames.iter().filter_map(Weak::upgrade);
        let left: usize = left.map(|frame| frame.plain().len()).sum();
        assert!((1..=MAX_HELD_BYTES).contains(&left), "{left} bytes");
        for sent in 0..EVENTS {
            let events =
                frame_after(&snapshot, sent).plain().windows(3).filter(|at| at == b"id:").count();
            assert_eq!(events as u64, EVENTS - sent);
        }
    }

    #[test]
    fn a_frame_is_made_once_for_all_that_need_it_at_a_time() {
        let snapshot = snapshot();
        for sent in [0, EVENTS - 2, EVENTS - 1] {
            let first = frame_after(&snapshot, sent);
            assert!(Arc::ptr_eq(&first, &frame_after(&snapshot, sent)));
        }
        // Small ones also for those that come later.
        let place = Arc::downgrade(&frame_after(&snapshot, EVENTS - 3));
        assert!(place.upgrade().is_some());
    }

    #[test]
    fn what_is_no_place_in_the_topic_is_not_taken_for_the_newest() {
        let snapshot = snapshot();
        assert!(matches!(snapshot.frame_after(Some(Version::from_u64(EVENTS))), Ok(None)));
        assert!(snapshot.frame_after(Some(Version::from_u64(EVENTS + 1))).is_err());
        assert!(snapshot.frame_after(None).is_err());
    }
}
