//! Names that stand in a request's path, where `/` and `%` are escaped.

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};

use crate::{http::problem::Problem, presence::RoomName};

/// The room that the path names.
pub(in crate::http) struct RoomInPath(pub RoomName);

/// The identity or sid that the path names.
pub(in crate::http) struct TextInPath(pub String);

impl<S: Send + Sync> FromRequestParts<S> for RoomInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let TextInPath(text) = TextInPath::from_request_parts(parts, state).await?;
        let name = RoomName::parse(&text);
        name.map(Self).map_err(|error| Problem::bad_request(error.to_string()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for TextInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let not_utf8 = |_| Problem::bad_request("the name in the path is not UTF-8");
        path.map(|Path(text)| Self(text)).map_err(not_utf8)
    }
}
