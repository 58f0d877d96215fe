//! `GET /openapi.json`: every route, as `OpenAPI` describes it. The document is written by hand; the tests check each answer that they
//! read against it.

use std::sync::LazyLock;

use axum::{body::Bytes, http::HeaderValue, response::Response};

use crate::http::{
    problem::Problem,
    respond::conditional::{KnownTags, etag, json_unless_known},
};

const DOCUMENT: &str = include_str!("../../../web/api/openapi.json");

/// Another one for each other document.
static TAG: LazyLock<HeaderValue> =
    LazyLock::new(|| etag(format_args!("{:08x}", crc32fast::hash(DOCUMENT.as_bytes()))));

pub(in crate::http) async fn show(known: KnownTags) -> Result<Response, Problem> {
    json_unless_known(&known, TAG.clone(), || Ok(Bytes::from_static(DOCUMENT.as_bytes())))
}
