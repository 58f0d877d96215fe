//! Liveness probes: whether a session that gives reason to doubt lives.

pub mod omitted;
