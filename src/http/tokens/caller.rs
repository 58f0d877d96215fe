//! Who asks for a token. A token of LiveKit, or one of `auth.keys`, says nothing here: only the app can say who somebody is.

use std::time::Instant;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
};
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::{
    app_auth::{AppTokenError, AppUser, AuthorizeError},
    http::{
        auth::{bearer, is_from_a_page_of_ours},
        problem::Problem,
        state::Http,
    },
    http_client::ExchangeError,
    livekit::Grants,
    presence::{Identity, RoomName},
};

use super::Tokens;

/// An app that failed is asked again after this time, in seconds.
const APP_RETRY_SECS: u64 = 2;

/// Who asks, as far as the head of their request says it.
pub(in crate::http) enum Caller {
    /// They have shown a token of the app.
    User(AppUser),
    /// The app knows them by these headers.
    OfTheApp(Vec<(HeaderName, HeaderValue)>),
}

/// What they ask for.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Asked {
    pub room: RoomName,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
}

/// Somebody who gets a token.
#[derive(Debug)]
pub(in crate::http) struct Person {
    pub identity: Identity,
    pub name: Option<String>,
    pub metadata: Option<String>,
    /// None if the app does not say what they may.
    pub grants: Option<Grants>,
}

impl FromRequestParts<Http> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, http: &Http) -> Result<Self, Problem> {
        let tokens = http.tokens.as_ref().ok_or_else(not_configured)?;
        let shown = parts.headers.get_all(header::AUTHORIZATION).iter().find_map(bearer);
        match (&tokens.app_tokens, shown, &tokens.authorizer) {
            (Some(app_tokens), Some(token), _) => {
                let token = token.map_err(|_| no_app_token())?;
                let now = http.clock.now().as_secs();
                let user = app_tokens.verify(token.trim_ascii(), now).await;
                user.map(Self::User).map_err(refused_token)
            }
            (Some(_), None, None) => Err(no_app_token()),
            (app_tokens, None, Some(_)) | (app_tokens @ None, Some(_), Some(_)) => {
                credentials(&parts.headers, http, app_tokens.is_none()).map(Self::OfTheApp)
            }
            (None, _, None) => Err(not_configured()),
        }
    }
}

impl Caller {
    /// Who it is. The app is asked here, if it has to be.
    pub async fn person(self, http: &Http, asked: &Asked) -> Result<Person, Problem> {
        let tokens = http.tokens.as_ref().ok_or_else(not_configured)?;
        match self {
            Self::User(AppUser { identity, name }) => Ok(Person {
                identity,
                name: name.or_else(|| asked.name.clone()),
                metadata: asked.metadata.clone(),
                grants: None,
            }),
            Self::OfTheApp(credentials) => {
                let authorizer = tokens.authorizer.as_ref().ok_or_else(not_configured)?;
                let body = serde_json::to_vec(asked).map_err(|_| Problem::internal())?;
                let answer = authorizer.ask(&credentials, body).await;
                let answer = answer.map_err(|error| refused_by_the_app(tokens, error))?;
                Ok(Person {
                    identity: answer.identity,
                    name: answer.name.or_else(|| asked.name.clone()),
                    metadata: answer.metadata.or_else(|| asked.metadata.clone()),
                    grants: answer.grants,
                })
            }
        }
    }
}

/// The cookies, which the app set, and a token that nobody here can read. Nothing else of a request goes to the app.
fn credentials(
    headers: &HeaderMap,
    http: &Http,
    with_authorization: bool,
) -> Result<Vec<(HeaderName, HeaderValue)>, Problem> {
    // The browser adds cookies to what any page asks for.
    if headers.contains_key(header::COOKIE) && !is_from_a_page_of_ours(headers, &http.cors) {
        return Err(Problem::forbidden(
            "a cookie is taken only from pages of this origin or of those in `http.cors_origins`",
        ));
    }
    let names = [Some(header::COOKIE), with_authorization.then_some(header::AUTHORIZATION)];
    let values = names.into_iter().flatten().flat_map(|name| {
        let values = headers.get_all(&name).iter().cloned().collect::<Vec<_>>();
        values.into_iter().map(move |value| (name.clone(), value))
    });
    Ok(values.collect())
}

pub(super) fn not_configured() -> Problem {
    Problem::absent(
        "no tokens are issued here: set `tokens.keys`, `tokens.jwks_url` or `tokens.authorize_url` (see docs/configuration.md)",
    )
}

fn no_app_token() -> Problem {
    Problem::unauthorized("a token of the app is needed, as `Authorization: Bearer`")
}

fn refused_token(error: AppTokenError) -> Problem {
    let detail = error.to_string();
    match error {
        AppTokenError::KeysAway(why) => Problem::unavailable(detail, APP_RETRY_SECS)
            .because(format!("`tokens.jwks_url`: {why}")),
        AppTokenError::Malformed
        | AppTokenError::UnknownKey
        | AppTokenError::BadSignature
        | AppTokenError::Expired
        | AppTokenError::NoExpiry
        | AppTokenError::NotYetValid
        | AppTokenError::NoSubject
        | AppTokenError::WrongAudience
        | AppTokenError::WrongIssuer => Problem::unauthorized(detail),
    }
}

/// The app's refusal is passed on. Its faults are the operator's to see.
fn refused_by_the_app(tokens: &Tokens, error: AuthorizeError) -> Problem {
    let detail = error.to_string();
    match error {
        AuthorizeError::Unknown(_) => Problem::unauthorized(detail),
        AuthorizeError::Refused(_) => Problem::forbidden(detail),
        AuthorizeError::Limited(wait) => Problem::too_many(detail, wait.as_secs().max(1)),
        AuthorizeError::Busy => Problem::unavailable(detail, 1),
        AuthorizeError::Exchange(
            ExchangeError::Unreachable(_) | ExchangeError::TimedOut(_) | ExchangeError::CutOff(_),
        ) => {
            let told = "the app cannot be asked who you are at the moment; ask again";
            let cause = format!("`tokens.authorize_url`: {detail}");
            Problem::unavailable(told, APP_RETRY_SECS).because(cause)
        }
        AuthorizeError::Exchange(ExchangeError::TooLarge(_))
        | AuthorizeError::Redirect(_)
        | AuthorizeError::Failed(_)
        | AuthorizeError::Unreadable(_) => {
            if let Some(more) = tokens.log.unsaid(detail.clone(), Instant::now()) {
                warn!(
                    error = detail,
                    more, "`tokens.authorize_url` does not say who asks (logged once a minute)"
                );
            }
            Problem::bad_gateway("the app did not say who you are; tell its operator")
        }
    }
}
