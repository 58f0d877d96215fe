//! A simulated LiveKit for `livekit-presence demo`: people come, talk, lose their connections and leave, and each of these is a
//! signed webhook, posted over HTTP as LiveKit posts it.

mod poster;
mod room;
mod session;
mod simulation;
#[cfg(test)]
mod tests;

pub use simulation::{keys, page_url, run};
