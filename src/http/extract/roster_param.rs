//! `?roster=true`: whether a stream of rooms also has their rosters.

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::http::problem::Problem;

use super::query::single;

/// Whether the rosters of the rooms are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) struct RosterParam(pub bool);

impl<S: Sync> FromRequestParts<S> for RosterParam {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        match single(query, "roster")?.as_deref() {
            None | Some("false") => Ok(Self(false)),
            Some("true") if single(query, "all")?.as_deref() == Some("true") => {
                Err(Problem::bad_request("`roster=true` needs rooms by name; leave out `all`"))
            }
            Some("true") => Ok(Self(true)),
            Some(_) => Err(Problem::bad_request("`roster` must be `true` or `false`")),
        }
    }
}
