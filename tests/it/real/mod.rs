//! The service beside a real livekit-server with real clients: each test sends people into a room, and compares what
//! subscribers see with the people inside. It prints how long subscribers were wrong, and what LiveKit's own list said
//! meanwhile.
//!
//! The tests need what `make setup-tests` installs, and say so if it is missing.

mod bans;
mod crashes;
mod kept;
mod latency;
mod moderation;
mod random;
mod reconciled;
mod redis;
mod roster;
pub mod scenario;
mod tokens;
mod webhooks;
