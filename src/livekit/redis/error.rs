//! Why nothing can be read from LiveKit's Redis.

use super::messages::Unreadable;

/// Why a reading says nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LiveKitRedisError {
    /// LiveKit's Redis cannot be asked now: LiveKit's API has to be.
    #[error("LiveKit's Redis cannot be asked: {0}")]
    Down(String),
    /// A value of this room has another form than is known here: LiveKit's API has to be asked about this room.
    #[error("{problem}")]
    Unreadable {
        problem: String,
        /// What was read.
        bytes: usize,
    },
    /// A key, or a value, is larger than is ever fetched, or takes too long: LiveKit's API has to be asked about this room.
    #[error("{} in LiveKit's Redis, which is too large to be read", size(*.bytes))]
    TooLarge {
        /// How large, where that is known.
        bytes: Option<usize>,
    },
    /// So much was read that this would have to wait: LiveKit's API has to be asked.
    #[error("`livekit.redis_bytes_per_second` allows no reading of LiveKit's Redis at the moment")]
    OverBudget {
        /// What it would bring.
        expected: usize,
    },
}

impl LiveKitRedisError {
    pub(super) fn unreadable(error: &Unreadable, bytes: usize) -> Self {
        Self::Unreadable { problem: crate::error_chain::Chain(error).to_string(), bytes }
    }

    /// What a reading brought that failed.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Unreadable { bytes, .. } => *bytes,
            Self::Down(_) | Self::TooLarge { .. } | Self::OverBudget { .. } => 0,
        }
    }
}

fn size(bytes: Option<usize>) -> String {
    match bytes {
        Some(bytes) => format!("a room or value of {bytes} bytes"),
        None => "a room or value that takes seconds".to_owned(),
    }
}
