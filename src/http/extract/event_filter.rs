//! Which events a request asks for.

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{http::problem::Problem, hub::EventFilter};

use super::query;

/// LiveKit has some twenty kinds of events.
const MAX_NAMES: usize = 100;
const MAX_NAME_BYTES: usize = 64;

/// The filter of a request: `event` and `room`, each of which can be repeated, and `prefix`.
pub(in crate::http) struct EventFilterParams(pub EventFilter);

impl<S: Sync> FromRequestParts<S> for EventFilterParams {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let text = parts.uri.query().unwrap_or_default();
        let mut filter = EventFilter {
            rooms: query::room_names(parts)?.into_iter().collect(),
            prefix: query::prefix(text)?.unwrap_or_default(),
            ..EventFilter::default()
        };
        for name in query::values(text, "event") {
            filter.names.insert(event_name(name.as_deref())?);
        }
        if filter.names.len() > MAX_NAMES {
            return Err(Problem::bad_request(format!(
                "one feed takes at most {MAX_NAMES} names of events; leave `event` out to get all"
            )));
        }
        Ok(Self(filter))
    }
}

fn event_name(name: Option<&str>) -> Result<String, Problem> {
    let fits = |name: &&str| (1..=MAX_NAME_BYTES).contains(&name.len());
    name.filter(fits).map(str::to_owned).ok_or_else(|| {
        Problem::bad_request(format!(
            "`event` is LiveKit's name of an event, such as participant_joined, in at most {MAX_NAME_BYTES} bytes"
        ))
    })
}
