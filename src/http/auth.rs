//! Who asks, and what they may read. The credential is one that a browser already has: its LiveKit access token.

mod operator;
mod writer;

pub(super) use operator::Operator;
pub(super) use writer::{Eraser, Moderator};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, header, request::Parts},
};

use crate::{
    livekit::{AccessToken, TokenError},
    presence::RoomName,
};

use super::{
    extract::query,
    limits::identity_key::IdentityKey,
    origin::CorsOrigins,
    problem::Problem,
    settings::AuthMode,
    state::{Http, HttpState},
};

/// Who asks.
#[derive(Debug)]
pub(super) enum Client {
    Anybody,
    Holder(AccessToken),
}

impl Client {
    pub fn may_read(&self, room: &RoomName) -> Result<(), Problem> {
        match self {
            Self::Anybody => Ok(()),
            Self::Holder(token) if token.may_read(room) => Ok(()),
            Self::Holder(_) => Err(does_not_open_room()),
        }
    }

    pub fn may_list(&self) -> Result<(), Problem> {
        match self {
            Self::Anybody => Ok(()),
            Self::Holder(token) if token.may_list() => Ok(()),
            Self::Holder(_) => Err(Problem::forbidden(
                "this token does not list rooms: it needs `roomList`, or `roomAdmin` without a room",
            )),
        }
    }

    pub fn may_read_attendance(&self, room: &RoomName) -> Result<(), Problem> {
        match self {
            Self::Anybody => Ok(()),
            Self::Holder(token) if token.may_read_past(room) => Ok(()),
            Self::Holder(_) => Err(Problem::forbidden(
                "this token does not read who was in this room: it needs `roomAdmin` and `video.room` with the room's name, or `roomList`",
            )),
        }
    }

    pub fn may_read_history(&self) -> Result<(), Problem> {
        match self {
            Self::Anybody => Ok(()),
            Self::Holder(token) if token.may_list() => Ok(()),
            Self::Holder(_) => Err(Problem::forbidden(
                "this token does not read the history: it needs `roomList`, or `roomAdmin` without a room",
            )),
        }
    }

    pub fn may_look_inside(&self) -> Result<(), Problem> {
        match self {
            Self::Anybody => Ok(()),
            Self::Holder(token) if token.may_list() => Ok(()),
            Self::Holder(_) => Err(Problem::forbidden(
                "this token does not show what the service does: it needs `roomList`, or `roomAdmin` without a room",
            )),
        }
    }

    pub fn may_follow_all(&self) -> Result<(), Problem> {
        match self {
            Self::Anybody => Ok(()),
            Self::Holder(token) if token.may_list() => Ok(()),
            Self::Holder(_) => Err(Problem::forbidden(
                "this token does not follow all rooms: add `?room=` and the name of its room, or use one with `roomList`",
            )),
        }
    }

    /// Whose streams are counted together.
    pub fn identity(&self) -> Option<IdentityKey> {
        match self {
            Self::Anybody => None,
            Self::Holder(token) => {
                token.holder().map(|(issuer, identity)| IdentityKey::of(issuer, identity))
            }
        }
    }

    /// When what they opened must end, in seconds since the Unix epoch.
    pub fn ends_at(&self, now: u64) -> Option<u64> {
        match self {
            Self::Anybody => None,
            Self::Holder(token) => Some(token.ends_at(now)),
        }
    }
}

/// The client of a WebSocket. None if it has shown no token: it may send one as its first message.
pub(super) struct ShownClient(pub Option<Client>);

/// What a client may read, without the rest of its token, for connections that ask again and again.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub identity: Option<IdentityKey>,
    opens: Opens,
}

#[derive(Clone, Debug)]
enum Opens {
    Everything,
    Room(RoomName),
    Nothing,
}

impl Grant {
    /// The same, with the name of its room in the same memory as in these.
    pub fn sharing<'names>(mut self, names: impl IntoIterator<Item = &'names RoomName>) -> Self {
        if let Opens::Room(own) = &mut self.opens
            && let Some(shared) = names.into_iter().find(|name| *name == own)
        {
            *own = shared.clone();
        }
        self
    }

    pub fn opens(&self, room: &RoomName) -> bool {
        match &self.opens {
            Opens::Everything => true,
            Opens::Room(own) => own == room,
            Opens::Nothing => false,
        }
    }

    pub fn may_read(&self, room: &RoomName) -> Result<(), Problem> {
        self.opens(room).then_some(()).ok_or_else(does_not_open_room)
    }

    pub fn lists(&self) -> bool {
        matches!(self.opens, Opens::Everything)
    }
}

impl Client {
    pub fn grant(&self) -> Grant {
        let opens = match self {
            Self::Anybody => Opens::Everything,
            Self::Holder(token) if token.may_list() => Opens::Everything,
            Self::Holder(token) => match token.room().map(RoomName::parse) {
                Some(Ok(room)) => Opens::Room(room),
                Some(Err(_)) | None => Opens::Nothing,
            },
        };
        Grant { identity: self.identity(), opens }
    }

    /// Who holds a token. Where anybody may read everything, nobody looks at it.
    pub fn verify(token: &str, http: &HttpState) -> Result<Self, Problem> {
        if http.auth.mode == AuthMode::Open {
            return Ok(Self::Anybody);
        }
        verify(token, http).map(Self::Holder)
    }

    /// Who asks, by the credential of a request.
    pub fn of(parts: &Parts, http: &HttpState) -> Result<Self, Problem> {
        Self::shown(parts, http)?.ok_or_else(|| no_token(&parts.headers))
    }

    fn shown(parts: &Parts, http: &HttpState) -> Result<Option<Self>, Problem> {
        if http.auth.mode == AuthMode::Open {
            return Ok(Some(Self::Anybody));
        }
        credential(parts, http)?.map(|shown| Self::verify(&shown.token, http)).transpose()
    }
}

impl FromRequestParts<Http> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, http: &Http) -> Result<Self, Problem> {
        Self::of(parts, http)
    }
}

/// The browser lets every page open a WebSocket, with the visitor's cookies and from the visitor's network, and leaves it to the
/// server to look at the page's origin. Here a page may open one if it could read an event stream.
impl FromRequestParts<Http> for ShownClient {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, http: &Http) -> Result<Self, Problem> {
        let is_of_a_page = parts.headers.contains_key(header::ORIGIN);
        let may_read =
            http.cors == CorsOrigins::Any || is_from_a_page_of_ours(&parts.headers, &http.cors);
        if is_of_a_page && !may_read {
            return Err(Problem::forbidden(
                "only pages of this origin or of those in `http.cors_origins` may open this",
            ));
        }
        Client::shown(parts, http).map(Self)
    }
}

fn verify(token: &str, http: &HttpState) -> Result<AccessToken, Problem> {
    AccessToken::verify(token.trim_ascii(), &http.client_keys, http.clock.now().as_secs())
        .map_err(|error: TokenError| Problem::unauthorized(error.to_string()))
}

fn does_not_open_room() -> Problem {
    Problem::forbidden(
        "this token does not open this room: it needs `video.room` with the room's name, and `roomJoin` or `roomAdmin`",
    )
}

/// A token as a request shows it.
struct Credential {
    token: String,
    /// The browser adds cookies to requests by itself, so that one alone does not say that its visitor meant this.
    is_cookie: bool,
}

/// The token: from the header, else from the query, else from the cookie. A header of another scheme is ignored: it belongs to a
/// proxy that asked for a password, and the browser sends it with every request.
fn credential(parts: &Parts, http: &HttpState) -> Result<Option<Credential>, Problem> {
    let authorizations = || parts.headers.get_all(header::AUTHORIZATION).iter();
    if let Some(token) = authorizations().find_map(bearer) {
        return token.map(|token| Some(Credential { token, is_cookie: false }));
    }
    let query = parts.uri.query().unwrap_or_default();
    if let Some(value) = query::values(query, "access_token").next() {
        let value =
            value.ok_or_else(|| Problem::unauthorized(TokenError::Malformed.to_string()))?;
        // A program that reads the token from a file may leave the line break at its end.
        return Ok(Some(Credential { token: value.trim_ascii().to_owned(), is_cookie: false }));
    }
    let shown = http.auth.cookie.as_ref().and_then(|name| cookie(&parts.headers, name));
    match shown {
        Some(value) if is_from_a_page_of_ours(&parts.headers, &http.cors) => {
            Ok(Some(Credential { token: value.to_owned(), is_cookie: true }))
        }
        Some(_) => Err(Problem::forbidden(
            "a cookie is taken only from pages of this origin or of those in `http.cors_origins`",
        )),
        None => Ok(None),
    }
}

/// The token of a header whose scheme is `Bearer` (RFC 9110, 11.4: a scheme's case does not matter). None for another scheme.
pub(super) fn bearer(value: &HeaderValue) -> Option<Result<String, Problem>> {
    let value = value.as_bytes().trim_ascii();
    let end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
    let (scheme, token) = value.split_at(end);
    scheme.eq_ignore_ascii_case(b"bearer").then(|| match str::from_utf8(token.trim_ascii()) {
        Ok("") => Err(not_bearer()),
        Ok(token) => Ok(token.to_owned()),
        Err(_) => Err(Problem::unauthorized(TokenError::Malformed.to_string())),
    })
}

fn no_token(headers: &HeaderMap) -> Problem {
    if headers.get_all(header::AUTHORIZATION).iter().any(|value| !value.is_empty()) {
        return not_bearer();
    }
    Problem::unauthorized(
        "a LiveKit access token is needed, as `Authorization: Bearer` or as `?access_token=`",
    )
}

fn not_bearer() -> Problem {
    Problem::unauthorized("`Authorization` must be `Bearer` and a LiveKit access token")
}

fn cookie<'headers>(headers: &'headers HeaderMap, name: &str) -> Option<&'headers str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// A browser adds cookies to the requests of any page, but says which page asks.
pub(super) fn is_from_a_page_of_ours(headers: &HeaderMap, cors: &CorsOrigins) -> bool {
    if let Some(origin) = headers.get(header::ORIGIN) {
        // A proxy may pass another `Host` on, but no page writes this header.
        let is_same = headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin");
        return cors.name(origin) || is_own_origin(origin, headers) || is_same;
    }
    // A GET of the same origin has no `Origin`. Browsers since 2023 send `Sec-Fetch-Site`.
    headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none")
}

fn is_own_origin(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    matches!((origin, host), (Some((_, origin)), Some(host)) if origin == host)
}
