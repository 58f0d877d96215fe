//! What a stream of many rooms is about: some rooms, or all.

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{http::problem::Problem, presence::RoomName};

use super::query::{prefix, room_names, values};

/// The rooms that a request for a stream of many rooms names.
pub(in crate::http) enum StreamedRooms {
    /// `?room=A&room=B`: the lists of these.
    Named(Vec<RoomName>),
    /// `?all=true&prefix=`: the list of rooms, or of those whose names begin with the prefix.
    All { prefix: String },
}

/// Like [`StreamedRooms`], but a request may name no room yet.
pub(in crate::http) struct FirstRooms(pub StreamedRooms);

impl<S: Sync> FromRequestParts<S> for StreamedRooms {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match read(parts)? {
            Self::Named(rooms) if rooms.is_empty() => Err(Problem::bad_request(
                "name a room: add `?room=` and its name to the URL, or `?all=true` for all rooms",
            )),
            rooms => Ok(rooms),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for FirstRooms {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        read(parts).map(Self)
    }
}

fn read(parts: &Parts) -> Result<StreamedRooms, Problem> {
    let query = parts.uri.query().unwrap_or_default();
    let (rooms, prefix) = (room_names(parts)?, prefix(query)?);
    match (all(query)?, prefix) {
        (true, _) if !rooms.is_empty() => Err(Problem::bad_request(
            "`all=true` has every room; leave out `room`, or name rooms without `all`",
        )),
        (true, prefix) => Ok(StreamedRooms::All { prefix: prefix.unwrap_or_default() }),
        (false, Some(_)) => Err(Problem::bad_request(
            "`prefix` chooses among all rooms; add `all=true`, or leave it out",
        )),
        (false, None) => Ok(StreamedRooms::Named(rooms)),
    }
}

fn all(query: &str) -> Result<bool, Problem> {
    let mut given = values(query, "all");
    let (first, second) = (given.next(), given.next());
    match (first.as_ref().map(Option::as_deref), second) {
        (None, _) | (Some(Some("false")), None) => Ok(false),
        (Some(Some("true")), None) => Ok(true),
        _ => Err(Problem::bad_request("`all` must be `true` or `false`, once")),
    }
}
