//! Liveness probes: whether a session that gives reason to doubt lives.
//!
//! `missing` keeps what is known of those whom a list omits, `listed` probes those whom it names, `prober` asks LiveKit.

pub mod listed;
pub mod missing;
pub mod prober;
