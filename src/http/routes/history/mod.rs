//! What was: who attended a room, lives of rooms, where a person was, how busy rooms were.

pub(in crate::http) mod analytics;
pub(in crate::http) mod attendance;
pub(in crate::http) mod people;
pub(in crate::http) mod sessions;

use std::ops::Deref;

use serde::Serialize;

use crate::{
    history::{Csv, Cursor, History, Page, Person, Position, Reader, Rfc3339, TimeRange},
    http::{
        auth::Client,
        limits::{
            client_address::ClientAddress,
            turns::{Asker, Turn},
        },
        problem::Problem,
        state::HttpState,
    },
};

/// The range of an answer, twice.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Range {
    from: Rfc3339,
    from_ms: i64,
    to: Rfc3339,
    to_ms: i64,
}

impl From<&TimeRange> for Range {
    fn from(range: &TimeRange) -> Self {
        let TimeRange { from, to, .. } = *range;
        Self { from: Rfc3339(from), from_ms: from, to: Rfc3339(to), to_ms: to }
    }
}

fn history(http: &HttpState) -> Result<&History, Problem> {
    http.history.as_deref().ok_or_else(Problem::no_history)
}

/// The history, for as long as it is a client's turn to ask it.
struct Asked<'http> {
    reader: &'http Reader,
    _turn: Turn,
}

impl Deref for Asked<'_> {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        self.reader
    }
}

/// Waits until it is this client's turn.
async fn reader<'http>(
    http: &'http HttpState,
    client: &Client,
    address: ClientAddress,
) -> Result<Asked<'http>, Problem> {
    let reader = history(http)?.reader();
    let asker = client.identity().map_or(Asker::Address(address), Asker::Identity);
    Ok(Asked { reader, _turn: http.limits.take_turn(asker).await? })
}

/// The cursor for what comes after a page.
fn next_of<T>(page: &Page<T>, question: &[&str], range: &TimeRange) -> Option<Cursor> {
    let next: Option<Position> = page.next.clone();
    next.map(|position| Cursor::new(question, range, position))
}

/// A cursor in JSON.
fn text_of(next: Option<&Cursor>) -> Option<String> {
    next.map(ToString::to_string)
}

fn csv_of_people(people: &[Person]) -> Csv {
    let mut csv = Csv::with_columns(&Person::COLUMNS);
    for person in people {
        person.write_csv(&mut csv);
        csv.end_row();
    }
    csv
}
