//! Who may see how requests reach this instance: who has a key of LiveKit's, and signs `roomAdmin` of all rooms with it.

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::http::{problem::Problem, state::Http};

use super::{credential, no_token, verify};

/// A client that runs the service.
pub(in crate::http) struct Operator;

impl FromRequestParts<Http> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, http: &Http) -> Result<Self, Problem> {
        let shown = credential(parts, http)?.ok_or_else(|| no_token(&parts.headers))?;
        let token = verify(&shown.token, http)?;
        if !token.may_erase() || !http.keys.contain(token.issuer()) {
            return Err(Problem::forbidden(
                "this token does not show how requests arrive: it needs `roomAdmin` without a room, and a key of `livekit.keys`",
            ));
        }
        Ok(Self)
    }
}
