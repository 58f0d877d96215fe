//! How busy rooms were: reads the sessions of as many periods as a page takes.

use sqlx::{AnyPool, AssertSqlSafe};

use crate::history::{
    database::{SESSION_COLUMNS, session_of, stored_text},
    row::SessionRow,
};

use super::{
    analytics::{Period, Usage, usage_of},
    cursor::Position,
    people::count_statement,
    range::TimeRange,
    reader::{Page, Reader, ReadingError, number},
};

/// Sessions that a page is made of, at most.
const MAX_SESSIONS_OF_PAGE: usize = 50_000;
/// Sessions that are read for each entry of a page, before the page has fewer entries than it takes.
const SESSIONS_PER_ENTRY: usize = 100;
/// Where a range has too many sessions, its next part to try is shorter by this.
const SHORTER_BY: i64 = 2;

impl Reader {
    /// How busy a room was, or all rooms, by the beginning of each period, then by the rooms' names. A page may have fewer entries
    /// than it takes, and not be the last.
    ///
    /// # Errors
    /// The database cannot be read, or one period has too many sessions.
    pub async fn usage(
        &self,
        room: Option<&str>,
        period: Period,
        range: &TimeRange,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Page<Usage>, ReadingError> {
        let from = after.map_or(range.from, |Position(start, _)| range.from.max(*start));
        let rest = TimeRange { from, ..*range };
        let most = (limit * SESSIONS_PER_ENTRY).min(MAX_SESSIONS_OF_PAGE);
        self.ask(async |pool| {
            let Some(part) = part_to_read(pool, room, period, &rest, most).await? else {
                return Ok(Page { entries: Vec::new(), next: None });
            };
            let rows = sessions_in(pool, room, &part).await?;
            let mut entries = usage_of(&rows, period, &part);
            let position = |entry: &Usage| Position(entry.start_ms, entry.room.clone());
            let is_later = |entry: &Usage, Position(start, room): &Position| {
                (entry.start_ms, &entry.room) > (*start, room)
            };
            entries.retain(|entry| after.is_none_or(|after| is_later(entry, after)));
            let mut page = Page::of(entries, limit, position);
            if page.next.is_none() && part.to < rest.to {
                page.next = Some(Position(part.to, String::new()));
            }
            Ok(page)
        })
        .await
    }
}

/// The first part of a range, in whole periods, that has sessions, but at most `most`; failing that one period. None if there are no
/// sessions.
async fn part_to_read(
    pool: &AnyPool,
    room: Option<&str>,
    period: Period,
    range: &TimeRange,
    most: usize,
) -> Result<Option<TimeRange>, ReadingError> {
    let Some(first) = first_join(pool, room, range).await? else { return Ok(None) };
    // Nothing is known of the future, which may be long.
    let end = range.to.min(period.after(range.now.max(first)));
    let mut part = TimeRange { from: range.from.max(first), to: end, now: range.now };
    loop {
        let one_period = period.after(part.from).min(end);
        let count = count(pool, room, &part).await?;
        if count == 0 && part.to < end {
            part = TimeRange { from: part.to, to: end, ..part };
        } else if count <= most {
            let to = if part.to == end { range.to } else { part.to };
            return Ok(Some(TimeRange { to, ..part }));
        } else if part.to > one_period {
            let shorter = period.start_of(part.from + (part.to - part.from) / SHORTER_BY);
            part.to = shorter.max(one_period);
        } else if count <= MAX_SESSIONS_OF_PAGE {
            return Ok(Some(part));
        } else {
            return Err(ReadingError::TooMuch { max: MAX_SESSIONS_OF_PAGE });
        }
    }
}

/// When the first session joined that was inside within a range.
async fn first_join(
    pool: &AnyPool,
    room: Option<&str>,
    range: &TimeRange,
) -> Result<Option<i64>, ReadingError> {
    let query = sqlx::query_scalar(AssertSqlSafe(first_join_statement(room)))
        .bind(range.from)
        .bind(range.to);
    Ok(match room {
        Some(room) => query.bind(stored_text(room).into_owned()).fetch_one(pool).await?,
        None => query.fetch_one(pool).await?,
    })
}

pub(super) fn first_join_statement(room: Option<&str>) -> String {
    let room = if room.is_some() { "AND room = $3" } else { "" };
    format!("SELECT MIN(joined_at) FROM sessions WHERE left_at > $1 AND joined_at < $2 {room}")
}

pub(super) fn room_condition(room: Option<&str>) -> &'static str {
    if room.is_some() { "AND room = $4" } else { "" }
}

async fn count(
    pool: &AnyPool,
    room: Option<&str>,
    range: &TimeRange,
) -> Result<usize, ReadingError> {
    let query = sqlx::query_scalar(AssertSqlSafe(count_statement(room_condition(room))))
        .bind(range.from)
        .bind(range.to)
        .bind(number(MAX_SESSIONS_OF_PAGE + 1));
    let count: i64 = match room {
        Some(room) => query.bind(stored_text(room).into_owned()).fetch_one(pool).await?,
        None => query.fetch_one(pool).await?,
    };
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

pub(super) fn usage_statement(room: Option<&str>) -> String {
    format!(
        "SELECT {SESSION_COLUMNS} FROM sessions WHERE left_at > $1 AND joined_at < $2 {} LIMIT $3",
        room_condition(room)
    )
}

async fn sessions_in(
    pool: &AnyPool,
    room: Option<&str>,
    range: &TimeRange,
) -> Result<Vec<SessionRow>, ReadingError> {
    let query = sqlx::query(AssertSqlSafe(usage_statement(room)))
        .bind(range.from)
        .bind(range.to)
        // Some may have come since they were counted.
        .bind(number(2 * MAX_SESSIONS_OF_PAGE));
    let rows = match room {
        Some(room) => query.bind(stored_text(room).into_owned()).fetch_all(pool).await?,
        None => query.fetch_all(pool).await?,
    };
    Ok(rows.iter().map(session_of).collect::<sqlx::Result<_>>()?)
}
