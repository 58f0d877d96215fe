//! Why a call to LiveKit's API says nothing.

use std::{sync::Arc, time::Duration};

use crate::{http_client::ExchangeError, livekit::list::UnreadableList};

/// Why a call says nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ApiError {
    #[error("LiveKit cannot be reached: {0}")]
    Unreachable(String),
    #[error("LiveKit did not answer within {0:?}")]
    TimedOut(Duration),
    /// With `enable_psrpc_for_get_list_participants` also the answer for a room that no node has.
    #[error("LiveKit answered that no server responds for this room")]
    NoResponse,
    #[error("LiveKit limits our calls; the next one may come in {0:?}")]
    Limited(Duration),
    #[error(
        "LiveKit refuses our calls ({status}: {message}); check that the first configured API key is one of LiveKit's"
    )]
    Refused { status: u16, message: String },
    /// Twirp's `invalid_argument` and `failed_precondition`: LiveKit understood the call, and does not do this.
    #[error("LiveKit does not do this: {message}")]
    Declined { message: String },
    #[error("LiveKit failed with {status}: {message}")]
    Failed { status: u16, message: String },
    #[error("LiveKit's answer has more than {0} bytes")]
    TooLarge(usize),
    #[error("LiveKit's answer ended before it was whole: {0}")]
    CutOff(String),
    #[error(transparent)]
    Unreadable(#[from] Arc<UnreadableList>),
}

impl ApiError {
    /// Whether only this answer may have failed, while LiveKit answers everybody else.
    pub fn is_of_one_answer(&self) -> bool {
        match self {
            Self::TimedOut(_)
            | Self::Declined { .. }
            | Self::Failed { .. }
            | Self::TooLarge(_)
            | Self::CutOff(_)
            | Self::Unreadable(_) => true,
            Self::Unreachable(_) | Self::NoResponse | Self::Limited(_) | Self::Refused { .. } => {
                false
            }
        }
    }
}

impl From<ExchangeError> for ApiError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Unreachable(reason) => Self::Unreachable(reason),
            ExchangeError::TimedOut(limit) => Self::TimedOut(limit),
            ExchangeError::TooLarge(max_bytes) => Self::TooLarge(max_bytes),
            ExchangeError::CutOff(reason) => Self::CutOff(reason),
        }
    }
}
