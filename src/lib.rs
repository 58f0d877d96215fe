//! Who is in which LiveKit room, right now, in every browser that asks.

mod abort_on_panic;
pub mod app;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod demo;
pub mod http;
pub mod hub;
pub mod livekit;
pub mod presence;
pub mod reconcile;
pub mod store;
