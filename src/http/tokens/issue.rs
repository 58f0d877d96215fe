//! The token itself.

use std::time::{Duration, UNIX_EPOCH};

use axum::{
    Json,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tracing::debug;

use crate::{
    http::{extract::query::RoomParam, problem::Problem, state::Http},
    livekit::JoinToken,
    presence::{Identity, RoomName},
};

use super::{
    Tokens,
    caller::{Person, not_configured},
    rate::within_rate,
    rights::Rights,
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Issued<'issued> {
    token: String,
    /// LiveKit's address.
    url: &'issued str,
    identity: &'issued Identity,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    expires_at: String,
}

/// Answers with a token for a room, if they get one.
pub(in crate::http) async fn issue(
    http: &Http,
    room: &RoomName,
    person: Person,
) -> Result<Response, Problem> {
    let tokens = http.tokens.as_ref().ok_or_else(not_configured)?;
    let answer = sign(http, tokens, room, &person);
    Ok(within_rate(tokens, &person.identity, answer).await)
}

/// For development, where anybody may say who they are.
pub(in crate::http) async fn issue_insecurely(
    http: &Http,
    room: Result<RoomParam, Problem>,
    username: Result<Option<String>, Problem>,
) -> Result<Response, Problem> {
    let is_insecure = http.tokens.as_ref().is_some_and(Tokens::is_insecure);
    if !is_insecure {
        return Err(Problem::absent(
            "ask for a token by POST; GET with a user's name is for development, where `tokens.insecure` is true",
        ));
    }
    let RoomParam(room) = room?;
    let username = username?.filter(|username| !username.is_empty());
    let identity = username.clone().map(Identity::new).ok_or_else(|| {
        Problem::bad_request("say who you are: add `&username=` and a name to the URL")
    })?;
    let name = username;
    issue(http, &room, Person { identity, name, metadata: None, grants: None }).await
}

async fn sign(
    http: &Http,
    tokens: &Tokens,
    room: &RoomName,
    person: &Person,
) -> Result<Response, Problem> {
    let Rights { grants, role } = Rights::of(person, room, http, tokens).await?;
    let expires_at = http.clock.now().as_secs() + tokens.settings.life.as_secs();
    let token = JoinToken {
        identity: &person.identity,
        name: person.name.as_deref(),
        metadata: person.metadata.as_deref(),
        video: grants.video_grant(room),
        expires_at,
    };
    let token = token.sign(&http.keys).ok_or_else(Problem::internal)?;
    debug!(room.name = %room, participant.identity = person.identity.as_str(), role, "issued a token");
    let expires_at = UNIX_EPOCH + Duration::from_secs(expires_at);
    let issued = Issued {
        token,
        url: &tokens.settings.url,
        identity: &person.identity,
        role,
        expires_at: humantime::format_rfc3339_seconds(expires_at).to_string(),
    };
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((no_store, Json(issued)).into_response())
}
