//! Which room is compared when.

pub mod sweep;
