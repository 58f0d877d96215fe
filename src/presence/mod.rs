//! The rules of a room: who is in it, by what LiveKit's webhooks and lists say.
//!
//! Pure: no I/O, no clock, no runtime. Callers pass the time and get back what changed. The stores apply these rules atomically;
//! everything above only shows their result.

mod bans;
mod change;
mod counts;
mod details;
mod event;
mod gone;
mod inside;
mod knowledge;
mod label;
mod metadata;
mod moderated;
mod name;
mod opening;
mod participant;
mod permission;
mod probe;
mod reconcile;
mod record;
mod reduce;
mod remembered;
mod repair;
mod repaired;
mod repairs;
mod room;
mod row;
mod rules;
mod session;
mod slice;
mod slice_person;
mod step_taken;
#[cfg(test)]
mod tests;
mod time;
mod tracks;
mod transition;

pub use bans::{Ban, BanChanged};
pub use change::{Change, Departure, Difference, ViewDiff};
pub use counts::Counts;
pub use details::{EventDetails, RoomDetails};
pub use event::{Event, EventKind, RoomLifecycle};
pub use gone::GoneBecause;
pub use knowledge::{Completeness, Knowledge};
pub use label::{KindDetail, ParticipantKind, TrackKind, TrackSource};
pub use metadata::{MetadataDigest, MetadataTold, ToldMetadata};
pub use name::{EventId, Identity, InvalidRoomName, ParticipantSid, RoomName, RoomSid, TrackSid};
pub use opening::{Opening, START_TOLERANCE_MILLIS, Started};
pub use participant::{DataTrack, Participant, Profile, SessionInfo, SessionState, Track};
pub use permission::Permission;
pub use probe::{ProbeAnswer, ProbeTarget, Probed};
pub use reconcile::{Listing, missing, plan, plan_without_list};
pub use record::{Closed, Left, LeftWhy, Media, Moment, Opened, Record, Shown, Stay, ToldBy};
pub use reduce::Applied;
pub use repaired::{RepairCounts, Repaired};
pub use repairs::{Repair, RepairCause, Repairs, Subjects};
pub use room::{EVENT_MEMORY, GONE_MEMORY, ROOM_MEMORY, Room};
pub use row::{PersonRow, ROW_FORMAT, RoomRow};
pub use rules::Rules;
pub use session::{LastListed, Life, MAX_MISSING, MISSING_MEMORY, OpeningOf, Session, Standing};
pub use slice::{MetadataRow, Needs, RoomSlice, Step};
pub use step_taken::StepTaken;
pub use time::{HostTime, LiveKitTime, StoreTime, Version};
pub use tracks::{MAX_REMOVED_TRACKS, TRACK_MEMORY};
pub use transition::{Ending, Entrance, Transition};
