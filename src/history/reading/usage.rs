//! How busy rooms were: reads the sessions of as many periods as a page takes.

use sqlx::{AnyPool, AssertSqlSafe, any::AnyRow};

use crate::{
    blocking,
    history::{
        database::{SHOWN_COLUMNS, stored_text},
        row::SessionRow,
    },
};

use super::{
    analytics::{Period, Usage, usage_of},
    cursor::Position,
    people::{attended_condition, count_statement},
    range::TimeRange,
    reader::{Page, Reader, ReadingError, all_rows, number, sessions_of},
    side::Side,
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
            let asked = Asked::of(pool, room, &rest).await?;
            let Some(part) = part_to_read(pool, asked, period, &rest, most).await? else {
                return Ok(Page { entries: Vec::new(), next: None });
            };
            let rows = rows_in(pool, asked, &part).await?;
            let after = after.cloned();
            let mut page = blocking::run(move || -> sqlx::Result<_> {
                let rows = sessions_of(&rows)?;
                Ok(page_of(&rows, period, &part, after.as_ref(), limit))
            })
            .await?;
            if page.next.is_none() && part.to < rest.to {
                page.next = Some(Position(part.to, String::new()));
            }
            Ok(page)
        })
        .await
    }
}

/// Counts as much as the page takes.
fn page_of(
    rows: &[SessionRow],
    period: Period,
    part: &TimeRange,
    after: Option<&Position>,
    limit: usize,
) -> Page<Usage> {
    let is_later = |entry: &Usage, Position(start, room): &Position| {
        (entry.start_ms, &entry.room) > (*start, room)
    };
    let usage = usage_of(rows, period, part);
    let later = usage.filter(|entry| after.is_none_or(|after| is_later(entry, after)));
    let position = |entry: &Usage| Position(entry.start_ms, entry.room.clone());
    Page::of(later.take(limit + 1).collect(), limit, position)
}

/// The first part of a range, in whole periods, that has sessions, but at most `most`; failing that one period. None if there are no
/// sessions.
async fn part_to_read(
    pool: &AnyPool,
    asked: Asked<'_>,
    period: Period,
    range: &TimeRange,
    most: usize,
) -> Result<Option<TimeRange>, ReadingError> {
    let Some(first) = first_join(pool, asked, range).await? else { return Ok(None) };
    // Nothing is known of the future, which may be long.
    let end = range.to.min(period.after(range.now.max(first)));
    let mut part = TimeRange { from: range.from.max(first), to: end, now: range.now };
    loop {
        let one_period = period.after(part.from).min(end);
        let count = count(pool, asked, &part).await?;
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
            return Err(ReadingError::PeriodTooLarge { max: MAX_SESSIONS_OF_PAGE });
        }
    }
}

/// When the first session joined that was inside within a range.
async fn first_join(
    pool: &AnyPool,
    asked: Asked<'_>,
    range: &TimeRange,
) -> Result<Option<i64>, ReadingError> {
    let query = sqlx::query_scalar(AssertSqlSafe(first_join_statement(asked)))
        .bind(range.from)
        .bind(range.to);
    Ok(match asked {
        Asked::Room(room) => query.bind(stored_text(room).into_owned()).fetch_one(pool).await?,
        Asked::AllRooms(_) => query.fetch_one(pool).await?,
    })
}

/// With the plus the least is looked for in what the condition finds. Without it databases may go along all beginnings.
pub(super) fn first_join_statement(asked: Asked<'_>) -> String {
    match asked {
        Asked::Room(_) => "SELECT MIN(+joined_at) FROM sessions \
                           WHERE left_at > $1 AND joined_at < $2 AND room = $3"
            .to_owned(),
        Asked::AllRooms(Side::Ends) => {
            let within = Side::Ends.condition("joined_at", "left_at");
            format!("SELECT MIN(+joined_at) FROM sessions WHERE {within}")
        }
        Asked::AllRooms(Side::Beginnings) => {
            let within = Side::Beginnings.condition("joined_at", "left_at");
            format!("SELECT MIN(joined_at) FROM sessions WHERE {within}")
        }
    }
}

/// What usage is asked of.
#[derive(Clone, Copy)]
pub(super) enum Asked<'name> {
    Room(&'name str),
    AllRooms(Side),
}

impl<'name> Asked<'name> {
    async fn of(
        pool: &AnyPool,
        room: Option<&'name str>,
        range: &TimeRange,
    ) -> Result<Self, ReadingError> {
        if let Some(room) = room {
            return Ok(Self::Room(room));
        }
        let oldest = "SELECT MIN(joined_at) FROM sessions";
        let oldest = sqlx::query_scalar(oldest).fetch_one(pool).await?;
        Ok(Self::AllRooms(Side::of(range, oldest)))
    }

    /// With the room as `$4`.
    pub fn condition(self) -> String {
        match self {
            Self::Room(_) => attended_condition("room"),
            Self::AllRooms(side) => side.condition("joined_at", "left_at"),
        }
    }
}

async fn count(pool: &AnyPool, asked: Asked<'_>, range: &TimeRange) -> Result<usize, ReadingError> {
    let query = sqlx::query_scalar(AssertSqlSafe(count_statement(&asked.condition())))
        .bind(range.from)
        .bind(range.to)
        .bind(number(MAX_SESSIONS_OF_PAGE + 1));
    let count: i64 = match asked {
        Asked::Room(room) => query.bind(stored_text(room).into_owned()).fetch_one(pool).await?,
        Asked::AllRooms(_) => query.fetch_one(pool).await?,
    };
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

pub(super) fn usage_statement(asked: Asked<'_>) -> String {
    format!("SELECT {SHOWN_COLUMNS} FROM sessions WHERE {} LIMIT $3", asked.condition())
}

async fn rows_in(
    pool: &AnyPool,
    asked: Asked<'_>,
    range: &TimeRange,
) -> Result<Vec<AnyRow>, ReadingError> {
    let query = sqlx::query(AssertSqlSafe(usage_statement(asked)))
        .bind(range.from)
        .bind(range.to)
        // Some may have come since they were counted.
        .bind(number(2 * MAX_SESSIONS_OF_PAGE));
    let query = match asked {
        Asked::Room(room) => query.bind(stored_text(room).into_owned()),
        Asked::AllRooms(_) => query,
    };
    Ok(all_rows(pool, query).await?)
}
