//! Why a store could not do what it was asked.

use std::{error::Error, fmt, sync::Arc};

/// The store could not do what it was asked. It did all of it or nothing, and the caller may ask again.
#[derive(Clone, Debug)]
pub enum StoreError {
    /// There is no connection to it, the connection was lost, or it is just starting or failing over.
    Unreachable(Cause),
    /// It did not answer in time. It may have done what it was asked.
    TimedOut(Cause),
    /// It refused: a right is missing, it is full, or it takes no writes. Asking again helps only after an operator or a failover
    /// has changed that.
    Refused(Cause),
    /// It holds something that this version does not understand, and must not overwrite.
    Malformed(Cause),
    /// Other writes to the same room kept coming first until the time was up.
    Busy,
    /// It can be reached, but the changes of other instances do not arrive.
    NoChanges,
}

/// What lies behind a [`StoreError`].
#[derive(Clone, Debug)]
pub struct Cause {
    error: Arc<dyn Error + Send + Sync>,
    advice: Option<&'static str>,
}

impl Cause {
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { error: error.into().into(), advice: None }
    }

    /// With what an operator can do about it.
    #[must_use]
    pub fn with_advice(self, advice: Option<&'static str>) -> Self {
        Self { advice, ..self }
    }
}

impl StoreError {
    fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Unreachable(cause)
            | Self::TimedOut(cause)
            | Self::Refused(cause)
            | Self::Malformed(cause) => Some(cause),
            Self::Busy | Self::NoChanges => None,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable(_) => "the store cannot be reached",
            Self::TimedOut(_) => "the store did not answer in time",
            Self::Refused(_) => "the store refused what it was asked",
            Self::Malformed(_) => "the store holds what this version does not understand",
            Self::Busy => "too many writes to one room at the same time",
            Self::NoChanges => "changes do not arrive from the store",
        })?;
        match self.cause().and_then(|cause| cause.advice) {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause().map(|cause| &*cause.error as &(dyn Error + 'static))
    }
}
