//! Names that stand in a request's path, where `/` and `%` are escaped.

use std::collections::HashMap;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};

use crate::{
    http::problem::Problem,
    presence::{Identity, RoomName, TrackSid},
};

/// The room that the path names.
pub(in crate::http) struct RoomInPath(pub RoomName);

/// The person in a room whom the path names.
pub(in crate::http) struct PersonInPath(pub Identity);

/// The track that the path names.
pub(in crate::http) struct TrackInPath(pub TrackSid);

/// The identity or sid that the path names, where it names nothing else.
pub(in crate::http) struct TextInPath(pub String);

impl<S: Send + Sync> FromRequestParts<S> for RoomInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let name = RoomName::parse(&named(parts, state, "room").await?);
        name.map(Self).map_err(|error| Problem::bad_request(error.to_string()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PersonInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(Identity::new(named(parts, state, "identity").await?)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for TrackInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(TrackSid::new(named(parts, state, "sid").await?)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for TextInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(text)| Self(text)).map_err(|_| not_utf8())
    }
}

/// A part of the path, by its name in the router.
async fn named<S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
    name: &str,
) -> Result<String, Problem> {
    let path = Path::<HashMap<String, String>>::from_request_parts(parts, state).await;
    let Path(mut names) = path.map_err(|_| not_utf8())?;
    Ok(names.remove(name).unwrap_or_default())
}

fn not_utf8() -> Problem {
    Problem::bad_request("the name in the path is not UTF-8")
}
