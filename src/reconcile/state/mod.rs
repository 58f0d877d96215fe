//! What is known of rooms, calls and LiveKit, and what follows from it. Nothing here asks anybody, and, but for `listed_rooms`,
//! nothing knows a clock: callers pass the time.

pub mod budget;
pub mod empty_rooms;
pub mod health;
pub mod interval;
#[cfg(test)]
mod interval_simulation;
pub mod listed_rooms;
pub mod outcome;
pub mod pace;
pub mod probe_slots;
pub mod queue;
pub mod quiet_probes;
pub mod redis_lacks;
pub mod redis_trust;
pub mod refusals;
pub mod schedule;
pub mod signers;
pub mod sweep;
pub mod trouble;
