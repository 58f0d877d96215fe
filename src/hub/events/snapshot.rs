//! What a topic of the feed holds: the last events of its filter, and the frames made of them, each encoded at most once.

use std::sync::{Arc, OnceLock};

use crate::{
    presence::Version,
    sse::{Frame, silent_heartbeat},
    store::LogId,
};

use super::{entry::join, kept::Kept};

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
    behind: OnceLock<Box<[OnceLock<Arc<Frame>>]>>,
    heartbeat: OnceLock<Arc<Frame>>,
    bare_heartbeat: OnceLock<Arc<Frame>>,
}

impl EventsSnapshot {
    pub(super) fn new(kept: Kept, prev: Version, position: LogId) -> Self {
        Self {
            kept,
            prev,
            position,
            newest: OnceLock::new(),
            behind: OnceLock::new(),
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
    pub fn frame_after(&self, sent: Option<Version>) -> Result<Option<&Arc<Frame>>, NotKept> {
        let sent = sent.ok_or(NotKept)?;
        if sent == self.version() {
            return Ok(None);
        }
        let had = self.kept.index_after(sent).ok_or(NotKept)?;
        let frame = || join(self.kept.skip(had));
        if sent == self.prev {
            return Ok(Some(self.newest.get_or_init(frame)));
        }
        let behind = self.behind.get_or_init(|| vec![OnceLock::new(); self.kept.len()].into());
        Ok(Some(behind[had].get_or_init(frame)))
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
