//! What a topic holds, and which frame brings a subscriber from what it was sent to that.

use std::{borrow::Cow, sync::Arc};

use crate::{
    presence::{HostTime, Version},
    sse::Frame,
};

use super::{
    directory::RoomsSnapshot,
    events::{EventsSnapshot, NotKept},
    roster::RosterSnapshot,
    snapshot::{Snapshot, View},
};

/// The newest of what subscribers watch. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Content {
    Room(Arc<Snapshot>),
    /// The list of rooms.
    Rooms(Arc<RoomsSnapshot>),
    Roster(Arc<RosterSnapshot>),
    Events(Arc<EventsSnapshot>),
}

/// What a subscriber is sent next.
#[derive(Clone, Debug)]
pub enum Next<'content> {
    /// It has everything.
    Nothing,
    Frame(Cow<'content, Arc<Frame>>),
    /// What it was sent is so old that what came after it is no longer kept, and nothing makes up for that.
    Lost,
}

impl Content {
    pub fn version(&self) -> Version {
        match self {
            Self::Room(snapshot) => snapshot.version(),
            Self::Rooms(snapshot) => snapshot.version(),
            Self::Roster(snapshot) => snapshot.version(),
            Self::Events(events) => events.version(),
        }
    }

    /// When the first webhook behind it arrived. For measurements only.
    pub fn received_at(&self) -> Option<HostTime> {
        match self {
            Self::Room(snapshot) => snapshot.received_at(),
            Self::Rooms(_) | Self::Roster(_) | Self::Events(_) => None,
        }
    }

    /// What a subscriber with this view is sent that was last sent version `sent`.
    pub fn next_for(&self, sent: Option<Version>, view: View) -> Next<'_> {
        let frame = match self {
            Self::Room(snapshot) => snapshot.frame_after(sent, view),
            Self::Rooms(snapshot) => snapshot.frame_after(sent),
            Self::Roster(snapshot) => snapshot.frame_after(sent),
            Self::Events(events) => match events.frame_after(sent) {
                Ok(frame) => return frame.map_or(Next::Nothing, Next::Frame),
                Err(NotKept) => return Next::Lost,
            },
        };
        frame.map_or(Next::Nothing, |frame| Next::Frame(Cow::Borrowed(frame)))
    }

    /// The heartbeat of a subscriber that was last sent version `sent`, where it is not everybody's.
    pub fn heartbeat_for(&self, sent: Option<Version>) -> Option<&Arc<Frame>> {
        match self {
            Self::Room(_) | Self::Rooms(_) | Self::Roster(_) => None,
            Self::Events(events) => Some(events.heartbeat_for(sent)),
        }
    }
}
