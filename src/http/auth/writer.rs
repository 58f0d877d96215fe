//! Who may change something. They need a token for that also where anybody may read everything, and one that LiveKit's own keys
//! have signed: those in `auth.keys` are for pages that only look.

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};

use crate::{
    http::{extract::in_path::RoomInPath, problem::Problem, state::Http},
    livekit::AccessToken,
    presence::{Identity, RoomName},
};

use super::{credential, no_token, verify};

/// A client that may erase people from the history.
pub(in crate::http) struct Eraser;

/// A client that may moderate the room that the path names. As for LiveKit, the token must name this room. It stays valid when its
/// holder is banned, who could lift the ban with it.
pub(in crate::http) struct Moderator {
    pub room: RoomName,
    /// Their identity, for the audit; the name of their key, if the token has none.
    pub by: String,
}

impl FromRequestParts<Http> for Eraser {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, http: &Http) -> Result<Self, Problem> {
        let token = token_of_a_writer(parts, http)?;
        if !token.may_erase() {
            return Err(Problem::forbidden(
                "this token does not erase people: it needs `roomAdmin` without a room",
            ));
        }
        if !http.keys.contain(token.issuer()) {
            return Err(Problem::forbidden(
                "this token does not erase people: its key is in `auth.keys`, which is for reading; sign it with a key of `livekit.keys`",
            ));
        }
        Ok(Self)
    }
}

impl FromRequestParts<Http> for Moderator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, http: &Http) -> Result<Self, Problem> {
        let token = token_of_a_writer(parts, http)?;
        let RoomInPath(room) = RoomInPath::from_request_parts(parts, http).await?;
        if !token.may_moderate(&room) {
            return Err(Problem::forbidden(
                "this token does not moderate this room: it needs `roomAdmin` and `video.room` with the room's name",
            ));
        }
        if !http.keys.contain(token.issuer()) {
            return Err(Problem::forbidden(
                "this token does not moderate: its key is in `auth.keys`, which is for reading; sign it with a key of `livekit.keys`",
            ));
        }
        let holder = token.holder().map(|(_, identity)| identity);
        if let Some(identity) = holder
            && http.bans.is_banned(&room, &Identity::new(identity)).await?
        {
            return Err(Problem::forbidden(
                "you are banned from this room, and do not moderate it",
            ));
        }
        let by = holder.unwrap_or(token.issuer()).to_owned();
        Ok(Self { room, by })
    }
}

/// The token of a request that changes something. A cookie alone does not do: a page of ours has to say that it asks.
fn token_of_a_writer(parts: &Parts, http: &Http) -> Result<AccessToken, Problem> {
    let shown = credential(parts, http)?.ok_or_else(|| no_token(&parts.headers))?;
    if shown.is_cookie && !parts.headers.contains_key(header::ORIGIN) {
        return Err(Problem::forbidden(
            "a cookie changes something only with an `Origin` header; send the token as `Authorization: Bearer`",
        ));
    }
    verify(&shown.token, http)
}
