//! `…/rooms/{room}/bans[/{identity}]`: who must not be in a room. For its moderators.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};

use crate::{
    error_chain::Chain,
    history::{Rfc3339, parse_time},
    http::{
        auth::Moderator,
        extract::{in_path::PersonInPath, json_body::JsonBody},
        problem::Problem,
        state::Http,
    },
    moderation::{BanError, MAX_BANS},
    presence::{Ban, Identity, StoreTime},
};

/// LiveKit takes 256 bytes unless its configuration says otherwise.
const MAX_IDENTITY_BYTES: usize = 1_024;
const MAX_REASON_BYTES: usize = 1_024;
/// A database that is away is back after some seconds at best.
const RECORDS_RETRY_SECS: u64 = 5;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Wanted {
    until: Option<String>,
    reason: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct ShownBan {
    identity: Identity,
    until: Option<Rfc3339>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    banned_at: Rfc3339,
    by: String,
}

#[derive(Serialize)]
pub(in crate::http) struct ShownBans {
    bans: Vec<ShownBan>,
}

#[derive(Serialize)]
pub(in crate::http) struct Banned {
    #[serde(flatten)]
    ban: ShownBan,
    /// Whether LiveKit has nobody of this identity in the room any more.
    removed: bool,
}

pub(in crate::http) async fn list(
    State(http): State<Http>,
    Moderator { room, .. }: Moderator,
) -> Result<Json<ShownBans>, Problem> {
    let bans = http.bans.list(&room).await?;
    let bans = bans.into_iter().map(|(identity, ban)| ShownBan::of(identity, ban)).collect();
    Ok(Json(ShownBans { bans }))
}

pub(in crate::http) async fn set(
    State(http): State<Http>,
    Moderator { room, by }: Moderator,
    PersonInPath(identity): PersonInPath,
    JsonBody(wanted): JsonBody<Wanted>,
) -> Result<Json<Banned>, Problem> {
    if identity.as_str().len() > MAX_IDENTITY_BYTES {
        return Err(Problem::bad_request(format!(
            "an identity has at most {MAX_IDENTITY_BYTES} bytes here"
        )));
    }
    let ban = wanted.ban(by, http.store.now().await?)?;
    let removed = http.bans.set(&room, &identity, &ban).await?;
    Ok(Json(Banned { ban: ShownBan::of(identity, ban), removed }))
}

pub(in crate::http) async fn lift(
    State(http): State<Http>,
    Moderator { room, by }: Moderator,
    PersonInPath(identity): PersonInPath,
) -> Result<StatusCode, Problem> {
    match http.bans.lift(&room, &identity, &by).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::absent("this person is not banned from this room")),
    }
}

impl Wanted {
    fn ban(self, by: String, now: StoreTime) -> Result<Ban, Problem> {
        let now = StoreTime::from_millis(now.as_millis());
        let until = self.until.as_deref().map(read_time).transpose()?;
        if until.is_some_and(|until| until <= now) {
            return Err(Problem::bad_request("`until` is over; leave it out to ban for ever"));
        }
        let reason = self.reason.filter(|reason| !reason.is_empty());
        if reason.as_ref().is_some_and(|reason| reason.len() > MAX_REASON_BYTES) {
            return Err(Problem::bad_request(format!(
                "a `reason` has at most {MAX_REASON_BYTES} bytes"
            )));
        }
        Ok(Ban { until, at: now, by, reason })
    }
}

impl ShownBan {
    fn of(identity: Identity, Ban { until, at, by, reason }: Ban) -> Self {
        Self { identity, until: until.map(shown_time), reason, banned_at: shown_time(at), by }
    }
}

impl From<BanError> for Problem {
    fn from(error: BanError) -> Self {
        let detail = match &error {
            BanError::Store(error) => return error.clone().into(),
            BanError::TooMany => {
                return Self::conflict(format!(
                    "a room has at most {MAX_BANS} bans; lift some of them first"
                ));
            }
            BanError::NotRecorded(_) => {
                "the ban holds now, but the database did not take it; send it again, so that it is not lost with the store"
            }
            BanError::StillRecorded(_) => {
                "the ban still holds, because the database did not delete it; send it again"
            }
        };
        Self::unavailable(detail, RECORDS_RETRY_SECS).because(Chain(&error))
    }
}

/// A date and a time as RFC 3339 has them.
fn read_time(text: &str) -> Result<StoreTime, Problem> {
    let time = parse_time(text).filter(|_| text.contains(['T', 't']));
    let millis = time.and_then(|millis| u64::try_from(millis).ok());
    millis.map(StoreTime::from_millis).ok_or_else(|| {
        Problem::bad_request("`until` must be a time such as 2026-12-01T18:00:00Z (RFC 3339)")
    })
}

fn shown_time(time: StoreTime) -> Rfc3339 {
    Rfc3339(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}
