//! Why a roster could not be read or changed.

use std::error::Error;

use crate::{
    history::{HistoryError, ReadingError},
    store::{Cause, StoreError},
};

/// Why a roster could not be read or changed. Then nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RosterError {
    #[error(transparent)]
    Database(#[from] ReadingError),
    #[error(transparent)]
    Store(StoreError),
    /// What was sent is no change of a roster.
    #[error("{0}")]
    Invalid(String),
    /// Nothing is known of the person in this room.
    #[error("nobody with this identity is in the roster, or in the room")]
    Absent,
    /// The entry has another version than the client has.
    #[error("the entry has changed since it was read")]
    Changed,
    /// The room has as many entries as it can have.
    #[error("the roster is full")]
    Full,
}

impl From<HistoryError> for RosterError {
    fn from(error: HistoryError) -> Self {
        Self::Database(error.into())
    }
}

/// A topic fails with an error of the store. One of the database travels in it.
impl From<StoreError> for RosterError {
    fn from(error: StoreError) -> Self {
        match error.source().is_some_and(<dyn Error>::is::<ReadingError>) {
            true => Self::Database(HistoryError::TimedOut.into()),
            false => Self::Store(error),
        }
    }
}

pub(super) fn as_store_error(error: ReadingError) -> StoreError {
    StoreError::Unreachable(Cause::new(error))
}
