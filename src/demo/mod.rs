//! A simulated LiveKit for `livekit-presence demo`: people come, talk, lose their connections and leave, and each of these is a
//! signed webhook, posted over HTTP as LiveKit posts it. Its API lists them, and does to them what moderators ask for.

mod moderated;
mod permission;
mod poster;
mod room;
mod room_service;
mod session;
mod simulation;
#[cfg(test)]
mod tests;

pub use simulation::{Simulation, keys, page_url};
