//! Query strings, read strictly: what is not UTF-8 is refused rather than replaced.

use std::borrow::Cow;

use axum::{extract::FromRequestParts, http::request::Parts};
use percent_encoding::percent_decode_str;

use crate::{http::problem::Problem, presence::RoomName};

/// The largest page of any answer.
const MAX_LIMIT: usize = 1000;
/// Rooms that one stream can watch.
pub(in crate::http) const MAX_ROOMS: usize = 100;

/// The one room that a request names.
pub(in crate::http) struct RoomParam(pub RoomName);

impl RoomParam {
    pub fn of(parts: &Parts) -> Result<Self, Problem> {
        let mut names = rooms(parts);
        match (names.next().transpose()?, names.next().transpose()?) {
            (Some(name), None) => Ok(Self(name)),
            (None, _) => Err(missing()),
            (Some(_), Some(_)) => {
                Err(Problem::bad_request("name exactly one room here; `rooms/stream` takes more"))
            }
        }
    }
}

impl<S: Sync> FromRequestParts<S> for RoomParam {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(parts)
    }
}

/// The rooms that a request names, in its order, each once; perhaps none.
pub(in crate::http) fn room_names(parts: &Parts) -> Result<Vec<RoomName>, Problem> {
    let mut names: Vec<RoomName> = Vec::new();
    for name in rooms(parts) {
        let name = name?;
        if !names.contains(&name) {
            names.push(name);
        }
        if names.len() > MAX_ROOMS {
            return Err(Problem::bad_request(format!(
                "one stream watches at most {MAX_ROOMS} rooms; open another for the rest"
            )));
        }
    }
    Ok(names)
}

fn missing() -> Problem {
    Problem::bad_request("name a room: add `?room=` and its name to the URL")
}

fn rooms(parts: &Parts) -> impl Iterator<Item = Result<RoomName, Problem>> {
    values(parts.uri.query().unwrap_or_default(), "room").map(|value| {
        let value = value.ok_or_else(|| Problem::bad_request("the room's name is not UTF-8"))?;
        RoomName::parse(&value).map_err(|error| Problem::bad_request(error.to_string()))
    })
}

/// The beginning of rooms' names that a request asks for.
pub(in crate::http) fn prefix(query: &str) -> Result<Option<String>, Problem> {
    let prefix = single(query, "prefix")?;
    if prefix.as_ref().is_some_and(|prefix| prefix.len() > RoomName::MAX_BYTES) {
        return Err(Problem::bad_request(format!(
            "a `prefix` has at most {} bytes, as a room's name",
            RoomName::MAX_BYTES
        )));
    }
    Ok(prefix)
}

/// How many entries a page has at most, if the request says it.
pub(in crate::http) fn limit(query: &str) -> Result<Option<usize>, Problem> {
    let Some(limit) = single(query, "limit")? else { return Ok(None) };
    let number = limit.parse().ok().filter(|number| (1..=MAX_LIMIT).contains(number));
    number.map(Some).ok_or_else(|| {
        Problem::bad_request(format!("`limit` must be a whole number from 1 to {MAX_LIMIT}"))
    })
}

/// The value of a parameter that a request may have once.
pub(in crate::http) fn single(query: &str, name: &str) -> Result<Option<String>, Problem> {
    let mut given = values(query, name);
    match (given.next(), given.next()) {
        (None, _) => Ok(None),
        (Some(Some(value)), None) => Ok(Some(value.into_owned())),
        (Some(None), _) => Err(Problem::bad_request(format!("`{name}` is not UTF-8"))),
        (Some(Some(_)), Some(_)) => Err(Problem::bad_request(format!("give `{name}` once"))),
    }
}

/// The values of a parameter, decoded; none for one that is not UTF-8.
pub(in crate::http) fn values<'query>(
    query: &'query str,
    name: &str,
) -> impl Iterator<Item = Option<Cow<'query, str>>> {
    values_of_any(query, move |key| key == name)
}

/// The same of all parameters whose names are meant.
pub(in crate::http) fn values_of_any(
    query: &str,
    is_meant: impl Fn(&str) -> bool,
) -> impl Iterator<Item = Option<Cow<'_, str>>> {
    query.split('&').filter_map(move |pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        decode(key).is_some_and(|key| is_meant(&key)).then(|| decode(value))
    })
}

/// Decodes `application/x-www-form-urlencoded`.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        return Some(Cow::Owned(percent_decode_str(&spaced).decode_utf8().ok()?.into_owned()));
    }
    percent_decode_str(text).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_what_is_not_utf8_is_noticed() {
        let query = "room=a+b%26c&x=1&room=%C3%A9&ro%6Fm=%FF&room&roomy=no&room=%zz";
        let values: Vec<_> =
            values(query, "room").map(|value| value.map(Cow::into_owned)).collect();
        let expected = [Some("a b&c"), Some("é"), None, Some(""), Some("%zz")];
        assert_eq!(values, expected.map(|value| value.map(str::to_owned)));
    }
}
