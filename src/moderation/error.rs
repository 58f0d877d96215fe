//! Why something was not done, or is not shown yet.

use std::time::Duration;

use crate::{coordination::CoordinationError, livekit::ApiError, store::StoreError};

/// What LiveKit does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    Room,
    Participant,
    Track,
}

/// Why something was not done; or, for [`Self::NotShown`], why it is not shown yet.
#[derive(Debug, thiserror::Error)]
pub enum ModerationError {
    #[error("LiveKit does not have it: {0:?}")]
    Absent(Absent),
    /// LiveKit understood, and does not do this.
    #[error("LiveKit does not do this: {message}")]
    Declined { message: String },
    #[error("LiveKit lets nobody unmute others")]
    MayNotUnmute,
    #[error("LiveKit refuses our key: {message}")]
    Refused { message: String },
    #[error("the budget of calls to LiveKit's API allows none before {0:?}")]
    TooMany(Duration),
    /// No server of LiveKit answers for the participant, or the room.
    #[error("no server of LiveKit answers for it")]
    NoServer,
    /// LiveKit may have done it.
    #[error("LiveKit did not answer in time")]
    TimedOut,
    #[error("LiveKit cannot be reached")]
    Unreachable(#[source] ApiError),
    /// LiveKit's answer says nothing. It may have done it.
    #[error("LiveKit's answer cannot be used")]
    Unusable(#[source] ApiError),
    /// The store failed before LiveKit was asked.
    #[error("the room cannot be read")]
    Store(#[from] StoreError),
    #[error("the budget of calls cannot be asked")]
    Coordination(#[from] CoordinationError),
    /// LiveKit did it, and the store did not take that.
    #[error("LiveKit did it, and the room could not be changed")]
    NotShown(#[source] StoreError),
}

impl From<ApiError> for ModerationError {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Unreachable(_) => Self::Unreachable(error),
            ApiError::TimedOut(_) => Self::TimedOut,
            ApiError::NoResponse => Self::NoServer,
            ApiError::Limited(wait) => Self::TooMany(wait),
            ApiError::Refused { message, .. } => Self::Refused { message },
            ApiError::Declined { message } => Self::Declined { message },
            ApiError::Failed { .. }
            | ApiError::TooLarge(_)
            | ApiError::CutOff(_)
            | ApiError::Unreadable(_) => Self::Unusable(error),
        }
    }
}

impl ModerationError {
    /// Whether the room may be otherwise than the store has it.
    pub(super) fn leaves_doubt(&self) -> bool {
        match self {
            Self::Absent(_)
            | Self::NoServer
            | Self::TimedOut
            | Self::Unusable(_)
            | Self::NotShown(_) => true,
            Self::Declined { .. }
            | Self::MayNotUnmute
            | Self::Refused { .. }
            | Self::TooMany(_)
            | Self::Unreachable(_)
            | Self::Store(_)
            | Self::Coordination(_) => false,
        }
    }
}
