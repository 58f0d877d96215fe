//! The rules of a room: who is in it, told from what LiveKit's webhooks and lists say.
//!
//! Pure: no I/O, no clock, no runtime. Callers pass the time and get back what changed.
//! The stores apply these rules atomically; everything above only shows their result.

mod change;
mod event;
mod inside;
mod knowledge;
mod label;
mod name;
mod participant;
mod probe;
mod reconcile;
mod reduce;
mod remembered;
mod repair;
mod room;
mod row;
mod session;
mod slice;
#[cfg(test)]
mod tests;
mod time;

pub use change::{Change, Departure, ViewDiff};
pub use event::{Event, EventKind, RoomLifecycle};
pub use knowledge::{Completeness, Knowledge};
pub use label::{ParticipantKind, TrackKind, TrackSource};
pub use name::{EventId, Identity, InvalidRoomName, ParticipantSid, RoomName, RoomSid, TrackSid};
pub use participant::{Participant, Profile, SessionInfo, SessionState, Track};
pub use probe::{ProbeAnswer, ProbeTarget, Probed};
pub use reconcile::{Listing, missing, plan, plan_without_list};
pub use reduce::Applied;
pub use repair::{Repair, RepairCounts, Repaired, Repairs, Subjects};
pub use room::{
    EVENT_MEMORY, GONE_MEMORY, GoneBecause, Opening, ROOM_MEMORY, Room, START_TOLERANCE_MILLIS,
    Started,
};
pub use row::{PersonRow, ROW_FORMAT, RoomRow};
pub use session::{
    LastListed, Life, MAX_MISSING, MAX_REMOVED_TRACKS, MISSING_MEMORY, OpeningOf, Session,
    Standing, TRACK_MEMORY,
};
pub use slice::{Needs, RoomSlice, Step};
pub use time::{HostTime, LiveKitTime, StoreTime, Version};

use std::time::Duration;

/// What an operator can set about the rules.
#[derive(Clone, Debug)]
pub struct Rules {
    /// How long a room counts as confirmed after its last event or reconcile.
    pub trust: Duration,
    /// And for how much longer, while more rooms want to be compared than LiveKit may be asked about in that time.
    pub extra_trust: Duration,
    /// A session that showed life within this time stays where LiveKit's lists omit it, unless LiveKit says that it is gone.
    pub grace: Duration,
    /// Whether doubtful sessions can be probed.
    pub can_probe: bool,
    /// A session that showed life within this time is not probed, as long as nobody else gives reason to.
    pub probe_every: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            trust: Duration::from_mins(1),
            extra_trust: Duration::ZERO,
            grace: Duration::from_secs(5),
            can_probe: true,
            probe_every: Duration::from_secs(20),
        }
    }
}
