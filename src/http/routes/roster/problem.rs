//! What a client is told of a roster that could not be read or changed.

use crate::{
    http::problem::Problem,
    roster::{MAX_ENTRIES, RosterError},
};

impl From<RosterError> for Problem {
    fn from(error: RosterError) -> Self {
        match error {
            RosterError::Database(error) => error.into(),
            RosterError::Store(error) => error.into(),
            RosterError::Invalid(detail) => Self::bad_request(detail),
            RosterError::Absent => Self::absent(
                "nobody with this identity is in the roster of this room, or in the room; invite them with PUT",
            ),
            RosterError::Changed => Self::precondition_failed(
                "the entry is not as `If-Match` or `If-None-Match` wants it; read it again, and decide anew",
            ),
            RosterError::Full => Self::conflict(format!(
                "a roster has at most {MAX_ENTRIES} entries; remove some first"
            )),
        }
    }
}
