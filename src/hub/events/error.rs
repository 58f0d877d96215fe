//! Why a feed could not be opened.

use crate::store::StoreError;

use super::topics::MAX_FILTERS;

/// Why a feed could not be opened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EventsError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "this instance follows {MAX_FILTERS} different filters of events of all rooms, or of a room that is named, and takes no more"
    )]
    TooManyFilters,
    #[error(
        "too many subscribers came back at once, and the log could not be read for all of them in time"
    )]
    TooManyResumes,
}
