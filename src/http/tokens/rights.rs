//! What somebody may do in a room: as the roster says, else as the app says, else as everybody.

use crate::{
    http::{problem::Problem, state::Http},
    livekit::Grants,
    presence::{Identity, RoomName},
};

use super::{Tokens, caller::Person};

/// What the roster says of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::http) struct RosterRole {
    pub name: String,
    /// None: as the role says. The same for the camera.
    pub can_speak: Option<bool>,
    pub can_video: Option<bool>,
}

/// The role that a room's roster gives somebody; none without a roster, or if they are not in it.
#[expect(clippy::unused_async, reason = "the roster's database will be asked")]
#[expect(clippy::unnecessary_wraps, reason = "the roster's database can be away")]
pub(in crate::http) async fn role_of(
    _http: &Http,
    _room: &RoomName,
    _identity: &Identity,
) -> Result<Option<RosterRole>, Problem> {
    Ok(None)
}

/// Whether somebody is banned from a room.
#[expect(clippy::unused_async, reason = "the store will be asked")]
#[expect(clippy::unnecessary_wraps, reason = "the store can be away")]
pub(in crate::http) async fn is_banned(
    _http: &Http,
    _room: &RoomName,
    _identity: &Identity,
) -> Result<bool, Problem> {
    Ok(false)
}

/// What a token for a room grants, and the role by which.
pub(super) struct Rights {
    pub grants: Grants,
    pub role: Option<String>,
}

impl Rights {
    pub async fn of(
        person: &Person,
        room: &RoomName,
        http: &Http,
        tokens: &Tokens,
    ) -> Result<Self, Problem> {
        if is_banned(http, room, &person.identity).await? {
            return Err(Problem::forbidden("you are banned from this room"));
        }
        let default = person.grants.unwrap_or(tokens.settings.default_grants);
        let Some(role) = role_of(http, room, &person.identity).await? else {
            return Ok(Self { grants: default, role: None });
        };
        // A role that the configuration no longer has grants nothing of its own.
        let grants = http.roles.grants(&role.name).unwrap_or(default);
        Ok(Self { grants: grants.with(role.can_speak, role.can_video), role: Some(role.name) })
    }
}
