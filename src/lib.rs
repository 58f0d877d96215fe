//! Who is in which LiveKit room, right now, in every browser that asks.

pub mod clock;
pub mod delivery;
pub mod http;
pub mod hub;
pub mod livekit;
pub mod presence;
pub mod store;
