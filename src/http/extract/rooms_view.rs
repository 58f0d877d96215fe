//! `?view=&roster=true`: what a stream of many rooms shows of them.

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::http::problem::Problem;

use super::{query::single, view::ViewParam};

/// What a request for a stream of many rooms wants to see of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) struct RoomsView {
    pub view: ViewParam,
    /// Their rosters as well.
    pub with_rosters: bool,
}

impl<S: Sync> FromRequestParts<S> for RoomsView {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let view = ViewParam::from_request_parts(parts, state).await?;
        let query = parts.uri.query().unwrap_or_default();
        let with_rosters = match single(query, "roster")?.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(Problem::bad_request("`roster` must be `true` or `false`")),
        };
        if with_rosters && single(query, "all")?.as_deref() == Some("true") {
            return Err(Problem::bad_request("`roster=true` needs rooms by name; leave out `all`"));
        }
        Ok(Self { view, with_rosters })
    }
}
