//! Why a ban was not set, or not lifted.

use std::error::Error;

use crate::store::StoreError;

/// Why a ban was not set, or not lifted.
#[derive(Debug, thiserror::Error)]
pub enum BanError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the room has as many bans as it can have")]
    TooMany,
    /// It holds, until the store loses it.
    #[error("the ban holds, and the database does not have it")]
    NotRecorded(#[source] RecordError),
    /// It still holds.
    #[error("the ban was not lifted, because the database still has it")]
    StillRecorded(#[source] RecordError),
}

/// The database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct RecordError(Box<dyn Error + Send + Sync>);

impl RecordError {
    pub fn new(source: impl Error + Send + Sync + 'static) -> Self {
        Self(Box::new(source))
    }

    pub(super) fn timed_out() -> Self {
        Self("the database did not answer in time".into())
    }
}
