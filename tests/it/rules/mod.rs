//! The rules of a room against a simulated LiveKit and against a captured one.

mod captured;
mod schedule;
mod schedules;
pub mod simulated_livekit;
mod slices;

pub use schedule::{Step, record};
