//! How often an identity gets a token, counted over all instances. Where the store does not count, tokens are issued all the same:
//! without them nobody gets into a room.

use std::time::{Duration, Instant};

use axum::{
    http::{HeaderName, HeaderValue},
    response::{IntoResponse, Response},
};
use tokio::time::timeout;
use tracing::warn;

use crate::{
    coordination::{SlidingWindow, Turn},
    error_chain::Chain,
    http::{limits::identity_key::IdentityKey, problem::Problem},
    presence::Identity,
};

use super::Tokens;

const MINUTE: Duration = Duration::from_mins(1);
/// A store that takes longer does not count.
const STORE_TIMEOUT: Duration = Duration::from_secs(1);

/// What clients read about their limit (draft-ietf-httpapi-ratelimit-headers-06).
pub(in crate::http) const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
pub(in crate::http) const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
pub(in crate::http) const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Answers somebody, unless they have had all the tokens that they get within a minute.
pub(super) async fn within_rate(
    tokens: &Tokens,
    identity: &Identity,
    answer: impl Future<Output = Result<Response, Problem>>,
) -> Response {
    let max = tokens.settings.per_minute;
    let turn = if max > 0 { take_turn(tokens, identity, max).await } else { None };
    let (mut response, left, frees_in) = match turn {
        None => return answer.await.into_response(),
        Some(Turn::Taken { left, frees_in }) => (answer.await.into_response(), left, frees_in),
        Some(Turn::Refused { wait }) => (refused(max, wait), 0, wait),
    };
    let headers = response.headers_mut();
    headers.insert(LIMIT, max.into());
    headers.insert(REMAINING, left.into());
    headers.insert(RESET, HeaderValue::from(whole_secs(frees_in)));
    response
}

fn refused(max: u32, wait: Duration) -> Response {
    let wait = whole_secs(wait);
    let detail = format!("you get {max} tokens within a minute; ask again in {wait} seconds");
    Problem::too_many(detail, wait).into_response()
}

/// None where the store does not say.
async fn take_turn(tokens: &Tokens, identity: &Identity, max: u32) -> Option<Turn> {
    let window = SlidingWindow { max, length: MINUTE };
    // An identity can be long, and can be anything.
    let who = IdentityKey::of("", identity.as_str()).to_string();
    let why = match timeout(STORE_TIMEOUT, tokens.peers.take_turn(&who, window)).await {
        Ok(Ok(turn)) => return Some(turn),
        Ok(Err(error)) => Chain(&error).to_string(),
        Err(_) => "it did not answer in time".to_owned(),
    };
    tokens.metrics.unlimited.inc();
    if let Some(more) = tokens.log.unsaid(why.clone(), Instant::now()) {
        warn!(
            error = why,
            more,
            "the store does not count who gets tokens, so nobody is limited (logged once a minute)"
        );
    }
    None
}

/// Rounded up, so that a client that waits this long is not refused again.
fn whole_secs(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_whole_seconds_that_are_never_too_few() {
        for (millis, secs) in [(0, 0), (1, 1), (999, 1), (1_000, 1), (1_001, 2), (60_000, 60)] {
            assert_eq!(whole_secs(Duration::from_millis(millis)), secs, "{millis}");
        }
    }
}
