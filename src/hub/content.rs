//! What a topic holds, and which frame brings a subscriber from what it was sent to that.

use std::sync::Arc;

use crate::{
    presence::{HostTime, Version},
    sse::Frame,
};

use super::snapshot::{Snapshot, View};

/// The newest of what subscribers watch. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Content {
    Room(Arc<Snapshot>),
}

/// What a subscriber is sent next.
#[derive(Clone, Copy, Debug)]
pub enum Next<'content> {
    /// It has everything.
    Nothing,
    Frame(&'content Arc<Frame>),
    /// What it was sent is so old that what came after it is no longer kept, and nothing makes up for that.
    Lost,
}

impl Content {
    pub fn version(&self) -> Version {
        match self {
            Self::Room(snapshot) => snapshot.version(),
        }
    }

    /// When the first webhook behind it arrived. For measurements only.
    pub fn received_at(&self) -> Option<HostTime> {
        match self {
            Self::Room(snapshot) => snapshot.received_at(),
        }
    }

    /// What a subscriber with this view is sent that was last sent version `sent`.
    pub fn next_for(&self, sent: Option<Version>, view: View) -> Next<'_> {
        match self {
            Self::Room(snapshot) => match snapshot.frame_after(sent, view) {
                Some(frame) => Next::Frame(frame),
                None => Next::Nothing,
            },
        }
    }
}
