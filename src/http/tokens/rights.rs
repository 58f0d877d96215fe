//! What somebody may do in a room: as the roster says, else as the app says, else as everybody.

use std::time::Instant;

use tracing::warn;

use crate::{
    error_chain::Chain,
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
        if is_banned(person, room, http, tokens).await {
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

/// Whether somebody is banned. Where the store does not say it, they get their token: who is banned is removed wherever they enter,
/// and nobody else waits for the store.
async fn is_banned(person: &Person, room: &RoomName, http: &Http, tokens: &Tokens) -> bool {
    let error = match http.bans.is_banned(room, &person.identity).await {
        Ok(is_banned) => return is_banned,
        Err(error) => Chain(&error).to_string(),
    };
    if let Some(more) = tokens.log.unsaid(error.clone(), Instant::now()) {
        warn!(
            error,
            more,
            "the store does not say who is banned, so that everybody gets tokens (logged once a minute)"
        );
    }
    false
}
