//! Which events a request asks for.

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{http::problem::Problem, hub::EventFilter};

use super::query;

/// LiveKit has some twenty kinds of events.
const MAX_NAMES: usize = 100;
const MAX_NAME_BYTES: usize = 64;
/// As a room's name.
const MAX_PREFIX_BYTES: usize = 512;

/// The filter of a request: `event` and `room`, each of which can be repeated, and `prefix`.
pub(in crate::http) struct EventFilterParams(pub EventFilter);

impl<S: Sync> FromRequestParts<S> for EventFilterParams {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let text = parts.uri.query().unwrap_or_default();
        let mut filter = EventFilter {
            rooms: query::room_names(parts)?.into_iter().collect(),
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
        let mut prefixes = query::values(text, "prefix");
        if let Some(prefix) = prefixes.next() {
            filter.prefix = room_prefix(prefix.as_deref())?;
        }
        if prefixes.next().is_some() {
            return Err(Problem::bad_request(
                "name at most one `prefix`; open another feed for the other",
            ));
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

fn room_prefix(prefix: Option<&str>) -> Result<String, Problem> {
    prefix.filter(|prefix| prefix.len() <= MAX_PREFIX_BYTES).map(str::to_owned).ok_or_else(|| {
        Problem::bad_request(format!(
            "`prefix` is the beginning of rooms' names, in at most {MAX_PREFIX_BYTES} bytes of UTF-8"
        ))
    })
}
