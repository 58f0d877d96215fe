//! Why nothing can be read from LiveKit's Redis.

use super::messages::Unreadable;

/// Why a reading says nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LiveKitRedisError {
    /// LiveKit's Redis cannot be asked now: LiveKit's API has to be.
    #[error("LiveKit's Redis cannot be asked: {0}")]
    Down(String),
    /// A value of this room has another form than is known here: LiveKit's API has to be asked about this room.
    #[error("{0}")]
    Unreadable(String),
}

impl From<Unreadable> for LiveKitRedisError {
    fn from(error: Unreadable) -> Self {
        Self::Unreadable(crate::error_chain::Chain(&error).to_string())
    }
}
