//! How the service was started.

/// What differs between the ways to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartMode {
    Serve,
    /// API keys are made up, and anybody may read.
    Demo,
}
