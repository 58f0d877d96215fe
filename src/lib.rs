//! Who is in which LiveKit room, right now, in every browser that asks.

pub mod presence;
