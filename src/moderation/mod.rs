//! What people who moderate a room have LiveKit do: change, mute and remove participants, and end the room.
//!
//! LiveKit is asked within the budget of calls, where moderators go first, and removals of banned people have a share. What it answers is applied to the room at once, so that
//! every subscriber sees it without a webhook. Each act is audited: a line in the log, an event on the feed, a metric. Who may
//! moderate is decided above.
//!
//! - `moderators`: what the rest of the service calls, with `mute_all`
//! - `calls`: how LiveKit is asked; `applying`: what becomes of its answer
//! - `act`, `record`: who did what to whom, and where that is told
//! - `bans`: who must not be in a room, and that LiveKit removes them

mod act;
mod applying;
mod bans;
mod calls;
mod error;
mod metrics;
mod moderators;
mod mute_all;
mod record;

pub use act::{Act, Action};
pub use bans::{
    BanError, BanMetrics, BanPosition, BanRecord, BanRecords, Bans, MAX_BANS, RecordError, Removals,
};
pub use error::{Absent, ModerationError};
pub use metrics::ModerationMetrics;
pub use moderators::{Moderation, ModerationParts, Updated};
pub use mute_all::{MuteAll, MutedAll};
pub use record::Audit;
