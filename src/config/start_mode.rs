//! How the service was started.

/// What differs between the ways to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartMode {
    Serve,
    /// API keys are made up, anybody may read, and the history is kept in memory.
    Demo,
    /// The history is written out. Nobody is served, so no API key is needed.
    Export,
}
