//! Why a server that was asked said nothing.

use std::{error::Error, time::Duration};

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    #[error("it did not answer within {0:?}")]
    TimedOut(Duration),
    #[error("its answer has more than {0} bytes")]
    TooLarge(usize),
    /// There was a connection, so that the server, or a proxy before it, gave up this one answer only.
    #[error("its answer ended before it was whole: {0}")]
    CutOff(String),
}

/// The cause at the end of the chain: the errors around it say only that something failed.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
