//! `?from=&to=&limit=&cursor=&format=`: which part of the history a request wants, and how it is written.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};

use crate::{
    history::{Cursor, TimeRange, parse_time},
    http::{problem::Problem, state::Http},
    presence::RoomName,
};

use super::query::{limit, room_names, single};

/// Entries of a page, where the request does not say it.
const DEFAULT_LIMIT: usize = 100;
/// Rows of a table, where the request does not say it: as many as there can be. Who opens a table does not see that it goes on.
const DEFAULT_ROWS: usize = 1_000;
/// Bytes of a cursor, which can hold the name of a room or a sid.
const MAX_CURSOR_BYTES: usize = 32 * 1024;

/// What all questions to the history have in common.
#[derive(Debug)]
pub(in crate::http) struct HistoryQuery {
    from: Option<i64>,
    to: Option<i64>,
    cursor: Option<String>,
    pub limit: usize,
    pub format: Format,
    pub now: i64,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Format {
    Json,
    Csv,
}

/// `room`, for what can be about one room or all.
pub(in crate::http) struct ChosenRoom(pub Option<RoomName>);

impl<S: Sync> FromRequestParts<S> for ChosenRoom {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut rooms = room_names(parts)?.into_iter();
        match (rooms.next(), rooms.next()) {
            (room, None) => Ok(Self(room)),
            _ => Err(Problem::bad_request("name one `room` here, or none for all rooms")),
        }
    }
}

impl HistoryQuery {
    /// The range, and where the page begins. `question` is what tells this request from others, such as its route and room.
    pub fn page(&self, question: &[&str]) -> Result<(TimeRange, Option<Cursor>), Problem> {
        let Some(cursor) = self.cursor(question)? else {
            let range = TimeRange::new(self.from, self.to, self.now);
            return Ok((range.map_err(|error| Problem::bad_request(error.to_string()))?, None));
        };
        let range = cursor.range(self.now);
        let is_same = |given: Option<i64>, first: i64| given.is_none_or(|given| given == first);
        if !is_same(self.from, range.from) || !is_same(self.to, range.to) {
            return Err(Problem::bad_request(
                "with a `cursor`, `from` and `to` must be those of the first page; leave them out, or leave the `cursor` out to begin again",
            ));
        }
        Ok((range, Some(cursor)))
    }

    /// Where the page begins, for questions that are about no range.
    pub fn cursor(&self, question: &[&str]) -> Result<Option<Cursor>, Problem> {
        let Some(text) = &self.cursor else { return Ok(None) };
        Cursor::parse(text, question).map(Some).ok_or_else(|| {
            Problem::bad_request(
                "`cursor` must be the `next` of an answer to this very question; leave it out to begin again",
            )
        })
    }
}

impl FromRequestParts<Http> for HistoryQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, http: &Http) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let cursor = single(query, "cursor")?;
        if cursor.as_ref().is_some_and(|cursor| cursor.len() > MAX_CURSOR_BYTES) {
            return Err(Problem::bad_request(
                "`cursor` is longer than any that this service gives",
            ));
        }
        let format = format(query, &parts.headers)?;
        let default_limit = if format == Format::Csv { DEFAULT_ROWS } else { DEFAULT_LIMIT };
        Ok(Self {
            from: time(query, "from")?,
            to: time(query, "to")?,
            cursor,
            limit: limit(query)?.unwrap_or(default_limit),
            format,
            now: i64::try_from(http.clock.now().as_millis()).unwrap_or(i64::MAX),
        })
    }
}

fn time(query: &str, name: &str) -> Result<Option<i64>, Problem> {
    let Some(text) = single(query, name)? else { return Ok(None) };
    let time = parse_time(&text).ok_or_else(|| {
        Problem::bad_request(format!(
            "`{name}` must be a time such as 2026-01-31T12:00:00Z, a date, or milliseconds since 1970"
        ))
    })?;
    Ok(Some(time))
}

fn format(query: &str, headers: &HeaderMap) -> Result<Format, Problem> {
    match single(query, "format")?.as_deref() {
        None => Ok(accepted(headers)),
        Some("json") => Ok(Format::Json),
        Some("csv") => Ok(Format::Csv),
        Some(_) => Err(Problem::bad_request("`format` can be `json` or `csv`")),
    }
}

/// What `Accept` prefers. JSON, unless it names CSV and likes JSON less (RFC 9110, 12.5.1).
fn accepted(headers: &HeaderMap) -> Format {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<&str> = values.flat_map(|value| value.split(',')).collect();
    let quality = |name: &str| {
        let mut of_name = ranges.iter().filter_map(|range| {
            let (kind, parameters) = range.split_once(';').unwrap_or((range, ""));
            kind.trim().eq_ignore_ascii_case(name).then(|| quality_of(parameters))
        });
        of_name.next()
    };
    let csv = quality("text/csv").unwrap_or(0.0);
    let json = quality("application/json").unwrap_or(0.0);
    if csv > json { Format::Csv } else { Format::Json }
}

fn quality_of(parameters: &str) -> f32 {
    let pairs = parameters.split(';').filter_map(|pair| pair.trim().split_once('='));
    let mut quality =
        pairs.filter(|(name, _)| name.eq_ignore_ascii_case("q")).map(|(_, value)| value);
    quality.next_back().map_or(1.0, |value| value.trim().parse().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn csv_is_written_where_it_is_asked_for_by_name_or_liked_better_than_json() {
        let cases = [
            ("", "", Format::Json),
            ("", "*/*", Format::Json),
            ("", "text/csv", Format::Csv),
            ("", "Text/CSV; header=present", Format::Csv),
            ("", "application/json, text/csv;q=0.5", Format::Json),
            ("", "application/json;q=0.4, text/csv;q=0.5", Format::Csv),
            ("", "application/json, text/csv", Format::Json),
            ("", "text/csv;q=0", Format::Json),
            ("", "text/csvx", Format::Json),
            ("format=csv", "application/json", Format::Csv),
            ("format=json", "text/csv", Format::Json),
        ];
        for (query, accept, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(format(query, &headers).unwrap(), expected, "{query} {accept}");
        }
        for wrong in ["format=xml", "format=", "format=csv&format=csv"] {
            assert!(format(wrong, &HeaderMap::new()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_page_goes_on_with_the_range_of_the_first_and_refuses_another_one() {
        let query = |from, to, cursor: Option<&Cursor>| HistoryQuery {
            from,
            to,
            cursor: cursor.map(ToString::to_string),
            limit: 1,
            format: Format::Json,
            now: 200_000_000,
        };
        let (range, none) = query(None, None, None).page(&["rooms"]).unwrap();
        assert_eq!((range.from, range.to, none), (113_600_000, 200_000_000, None));
        let after = crate::history::Position(7, "alice".into());
        let cursor = Cursor::new(&["rooms"], &range, after);
        let later = HistoryQuery { now: 300_000_000, ..query(None, None, Some(&cursor)) };
        let (second, given) = later.page(&["rooms"]).unwrap();
        assert_eq!((second.from, second.to), (range.from, range.to));
        assert_eq!(given.as_ref(), Some(&cursor));
        assert!(
            query(Some(113_600_000), Some(200_000_000), Some(&cursor)).page(&["rooms"]).is_ok()
        );
        assert!(query(Some(1), None, Some(&cursor)).page(&["rooms"]).is_err());
        assert!(query(None, Some(1), Some(&cursor)).page(&["rooms"]).is_err());
        assert!(query(None, None, Some(&cursor)).page(&["others"]).is_err());
        assert!(query(Some(5), Some(5), None).page(&["rooms"]).is_err());
    }
}
