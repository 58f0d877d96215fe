//! `livekit-presence doctor`: says what is wrong with a deployment, each thing in a sentence, with its remedy in another.
//!
//! It reads the configuration that the service reads, and looks at everything around the service from outside: LiveKit's API, the
//! public address with the proxies behind it, Redis, the database, descriptors. It changes no room's state, apart from one room of
//! its own, which it has LiveKit make and delete. Begin with `src/doctor/run.rs`; each check has a file.

mod database;
mod deadline;
mod descriptors;
mod finding;
mod livekit;
mod options;
mod redis;
mod report;
mod run;
mod service;
mod unreachable;

pub(crate) use finding::without_controls;
pub use finding::{Check, Finding, Verdict};
pub use options::{MAX_PATIENCE, Options};
pub use report::Report;
pub use run::run;
