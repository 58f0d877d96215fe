//! The service beside a real livekit-server with real clients in it: what subscribers see is held against the people who are
//! inside, whom the test itself sent there. Each scenario prints how long subscribers were wrong, and what LiveKit's own list
//! said meanwhile.
//!
//! Needs what `make setup-tests` installs, and says so where it is missing.

mod crashes;
mod latency;
mod random;
mod reconciled;
mod scenario;
mod webhooks;
