//! The body of a request that changes something: a JSON object.

use axum::{
    body::Body,
    extract::{FromRequest, Request},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::http::problem::Problem;

/// Bodies about one person. LiveKit takes less: by default 64,000 bytes of metadata with attributes and name.
const MAX_BODY_BYTES: usize = 128 * 1024;
/// Bodies about everybody in a room.
const MAX_COLLECTION_BYTES: usize = 1024 * 1024;

/// What a JSON object says. An empty body is an empty object.
pub(in crate::http) struct JsonBody<T>(pub T);

/// As [`JsonBody`], for a whole collection.
pub(in crate::http) struct JsonCollection<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        read(request.into_body(), MAX_BODY_BYTES).await.map(Self)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonCollection<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        read(request.into_body(), MAX_COLLECTION_BYTES).await.map(Self)
    }
}

async fn read<T: DeserializeOwned>(body: Body, max: usize) -> Result<T, Problem> {
    let collected = Limited::new(body, max).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            Problem::too_large(format!("a body has at most {max} bytes here"))
        } else {
            Problem::bad_request("the body ended before it was whole; send it again")
        }
    })?;
    let bytes = collected.to_bytes();
    let json = if bytes.trim_ascii().is_empty() { b"{}" } else { bytes.trim_ascii() };
    if !json.starts_with(b"{") {
        return Err(Problem::bad_request("the body must be a JSON object"));
    }
    serde_json::from_slice(json).map_err(|error| {
        Problem::bad_request(format!("the body is not what this route takes: {error}"))
    })
}
