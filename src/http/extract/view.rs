//! `?view=`: what of a room is shown.

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{http::problem::Problem, hub::View};

use super::query::values;

/// What a request wants to see of its rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum ViewParam {
    /// Who is inside. Without `view`, it is this.
    Participants,
    /// `view=count`: how many.
    Counts,
}

impl ViewParam {
    /// For a stream of one room.
    pub fn of_one_room(self) -> View {
        match self {
            Self::Participants => View::Lists,
            Self::Counts => View::Counts,
        }
    }

    /// For a stream of many rooms.
    pub fn of_many_rooms(self) -> View {
        match self {
            Self::Participants => View::Deltas,
            Self::Counts => View::RoomCounts,
        }
    }
}

impl ViewParam {
    pub fn of(parts: &Parts) -> Result<Self, Problem> {
        let mut given = values(parts.uri.query().unwrap_or_default(), "view");
        match (given.next(), given.next()) {
            (None, _) => Ok(Self::Participants),
            (Some(Some(view)), None) if view == "count" => Ok(Self::Counts),
            (Some(_), _) => Err(Problem::bad_request(
                "`view` can be `count`, once; leave it out to see who is inside",
            )),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for ViewParam {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(parts)
    }
}
