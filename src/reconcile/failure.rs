//! Why a comparison, a probe or a sweep came to nothing.

use crate::{
    coordination::CoordinationError,
    livekit::{ApiError, redis::LiveKitRedisError},
    store::StoreError,
};

/// Nothing is known.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Coordination(#[from] CoordinationError),
    #[error(transparent)]
    Redis(#[from] LiveKitRedisError),
    #[error("the budget of calls to LiveKit's API allows none at the moment")]
    NoBudget,
}

impl Failure {
    /// What was read of LiveKit's Redis nevertheless.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Redis(error) => error.bytes(),
            Self::Api(_) | Self::Store(_) | Self::Coordination(_) | Self::NoBudget => 0,
        }
    }

    /// What a reading of LiveKit's Redis would bring that has to wait for the budget of bytes.
    pub fn over_budget(&self) -> Option<usize> {
        match self {
            Self::Redis(LiveKitRedisError::OverBudget { expected }) => Some(*expected),
            Self::Redis(_)
            | Self::Api(_)
            | Self::Store(_)
            | Self::Coordination(_)
            | Self::NoBudget => None,
        }
    }
}
