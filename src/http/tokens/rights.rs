//! What somebody may do in a room: as the roster says, else as the app says, else as everybody.

use crate::{
    http::{problem::Problem, state::Http},
    livekit::Grants,
    presence::RoomName,
    roster::RosterRole,
};

use super::{Tokens, caller::Person};

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
        if http.bans.is_banned(room, &person.identity).await? {
            return Err(Problem::forbidden("you are banned from this room"));
        }
        let role = match &http.roster {
            Some(roster) => roster.role_of(room, person.identity.as_str()).await?,
            None => None,
        };
        let default = || person.grants.unwrap_or(tokens.settings.default_grants);
        Ok(match role {
            Some(RosterRole { role, grants }) => Self { grants, role: Some(role) },
            None => Self { grants: default(), role: None },
        })
    }
}
