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

pub use readings::record_with_readings;
pub use schedule::{Step, record, record_with_bans};
