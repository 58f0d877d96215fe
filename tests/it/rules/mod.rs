//! The rules of a room against a simulated LiveKit and against a captured one.

mod bans;
mod captured;
mod captured_history;
mod history;
mod moderated;
mod past;
mod readings;
mod refreshes;
mod schedule;
mod schedules;
pub mod simulated_livekit;
mod slices;
mod truth;

use livekit_presence::presence::StoreTime;

use readings::record_with_readings;
use schedule::{record, record_with_bans};

pub use schedule::Step;

/// What the schedule of a seed did to the room, and when: half of them with moderators, a quarter with readings.
pub fn recorded(seed: u64) -> Vec<(StoreTime, Step)> {
    match seed % 4 {
        // A moderator was answered just after the time of a ban. The person was added, and hidden, by the rules on the whole room,
        // and shown by a store that had forgotten the ban.
        _ if seed == 10 => record_with_bans(seed),
        0 => record(seed),
        2 => record_with_readings(seed),
        _ => record_with_bans(seed),
    }
}
