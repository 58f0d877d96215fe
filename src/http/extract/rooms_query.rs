//! `?prefix=&limit=&after=`: which part of the list of rooms a request wants.

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::http::problem::Problem;

use super::query::{limit, prefix, single};

/// A part of the list of rooms; by default, all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::http) struct RoomsQuery {
    /// Only rooms whose names begin so.
    pub prefix: Option<String>,
    /// How many rooms a page has at most. Without it there is one page, and its answer is an array.
    pub limit: Option<usize>,
    /// Only rooms whose names come later in the order.
    pub after: Option<String>,
}

impl RoomsQuery {
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

impl<S: Sync> FromRequestParts<S> for RoomsQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self { prefix: prefix(query)?, limit: limit(query)?, after: single(query, "after")? })
    }
}
