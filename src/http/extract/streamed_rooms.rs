//! What a stream of many rooms is about: some rooms, or all.

use std::borrow::Cow;

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{http::problem::Problem, presence::RoomName};

use super::query::{RoomParams, values};

/// The rooms that a request for a stream of many rooms names.
pub(in crate::http) enum StreamedRooms {
    /// `?room=A&room=B`: the lists of these.
    Named(Vec<RoomName>),
    /// `?all=true&prefix=`: the list of rooms, or of those whose names begin with the prefix.
    All { prefix: String },
}

impl<S: Sync> FromRequestParts<S> for StreamedRooms {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let is_named = values(query, "room").next().is_some();
        let prefix = prefix(query)?;
        match (all(query)?, is_named) {
            (true, true) => Err(Problem::bad_request(
                "`all=true` has every room; leave out `room`, or name rooms without `all`",
            )),
            (true, false) => Ok(Self::All { prefix: prefix.unwrap_or_default() }),
            (false, _) if prefix.is_some() => Err(Problem::bad_request(
                "`prefix` chooses among all rooms; add `all=true`, or leave it out",
            )),
            (false, true) => RoomParams::from_request_parts(parts, state)
                .await
                .map(|RoomParams(rooms)| Self::Named(rooms)),
            (false, false) => Err(Problem::bad_request(
                "name rooms with `?room=` and their names, or ask for all with `?all=true`",
            )),
        }
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

fn prefix(query: &str) -> Result<Option<String>, Problem> {
    let mut given = values(query, "prefix");
    let (first, second) = (given.next(), given.next());
    if second.is_some() {
        return Err(Problem::bad_request("name one `prefix`; open another stream for another"));
    }
    let Some(prefix) = first else { return Ok(None) };
    match prefix.map(Cow::into_owned) {
        None => Err(Problem::bad_request("the `prefix` is not UTF-8")),
        Some(prefix) if prefix.len() > RoomName::MAX_BYTES => Err(Problem::bad_request(format!(
            "a `prefix` has at most {} bytes, as a room's name",
            RoomName::MAX_BYTES
        ))),
        Some(prefix) => Ok(Some(prefix)),
    }
}
