//! Lives of rooms.

use std::collections::HashMap;

use sqlx::{AnyPool, AssertSqlSafe, Row, any::AnyRow};

use crate::{
    blocking,
    history::{
        database::{INSTANCE_COLUMNS, OPEN, SHOWN_COLUMNS, instance_of, stored_text},
        fold::totals,
        row::{InstanceRow, Totals},
    },
};

use super::{
    cursor::Position,
    range::TimeRange,
    reader::{MAX_SESSIONS, Page, Reader, ReadingError, all_rows, number, sessions_of},
    side::Side,
};

/// In which order lives of rooms come, by their starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    OldestFirst,
    NewestFirst,
}

/// A life of a room, and how many were in it. Agents do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedInstance {
    pub row: InstanceRow,
    /// Different identities.
    pub people: i64,
    pub sessions: i64,
    /// How many people are inside now.
    pub active: i64,
}

/// Of which rooms lives are read.
#[derive(Clone, Copy)]
pub(super) enum Lives {
    OfRoom,
    /// Of all rooms.
    Of(Side),
}

impl Lives {
    async fn within(
        pool: &AnyPool,
        room: Option<&str>,
        range: &TimeRange,
    ) -> Result<Self, ReadingError> {
        if room.is_some() {
            return Ok(Self::OfRoom);
        }
        let oldest = "SELECT MIN(started_at) FROM room_instances";
        let oldest = sqlx::query_scalar(oldest).fetch_one(pool).await?;
        Ok(Self::Of(Side::of(range, oldest)))
    }
}

#[derive(Clone, Copy, Default)]
struct Counts {
    people: i64,
    sessions: i64,
    active: i64,
}

impl Reader {
    /// The lives of a room, or of all rooms, that went on within the range.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn instances(
        &self,
        room: Option<&str>,
        range: &TimeRange,
        order: Order,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Page<CountedInstance>, ReadingError> {
        self.ask(async |pool| {
            let rows = rows_of_page(pool, room, range, order, after, limit).await?;
            let mut page = Page::of(rows, limit, |row| Position(row.started_at, row.sid.clone()));
            page.entries.retain(|row| went_on(row, range));
            Ok(Page { entries: counted(pool, page.entries).await?, next: page.next })
        })
        .await
    }

    /// One life of a room, by its sid.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn instance(&self, sid: &str) -> Result<Option<CountedInstance>, ReadingError> {
        self.ask(async |pool| {
            let statement = format!("SELECT {INSTANCE_COLUMNS} FROM room_instances WHERE sid = $1");
            let row = sqlx::query(AssertSqlSafe(statement))
                .bind(stored_text(sid).into_owned())
                .fetch_optional(pool)
                .await?;
            let rows = row.iter().map(instance_of).collect::<sqlx::Result<_>>()?;
            Ok(counted(pool, rows).await?.pop())
        })
        .await
    }

    /// The most people at the same time in a life of a room. While it goes on, its sessions are looked through for that.
    ///
    /// # Errors
    /// The database cannot be read, or there are too many sessions.
    pub async fn peak(&self, instance: &InstanceRow) -> Result<i64, ReadingError> {
        if let Some(Totals { peak, .. }) = instance.totals {
            return Ok(peak);
        }
        self.ask(async |pool| {
            let rows = sessions_in(pool, &instance.sid).await?;
            Ok(blocking::run(move || sessions_of(&rows).map(|rows| totals(&rows).peak)).await?)
        })
        .await
    }
}

/// Whether a life of a room reaches into the range. One that goes on has gone on until now, and no further.
fn went_on(row: &InstanceRow, range: &TimeRange) -> bool {
    row.started_at >= range.from || row.finished_at.unwrap_or(range.now) > range.from
}

pub(super) fn instances_statement(of: Lives, order: Order) -> String {
    let (is_later, direction) = match order {
        Order::OldestFirst => (">", "ASC"),
        Order::NewestFirst => ("<", "DESC"),
    };
    // Along their beginnings they come in order already.
    let (within, started_at) = match of {
        Lives::OfRoom => {
            ("room = $6 AND finished_at > $1 AND started_at < $2".to_owned(), "+started_at")
        }
        Lives::Of(Side::Ends) => (Side::Ends.condition("started_at", "finished_at"), "+started_at"),
        Lives::Of(Side::Beginnings) => {
            (Side::Beginnings.condition("started_at", "finished_at"), "started_at")
        }
    };
    format!(
        "SELECT {INSTANCE_COLUMNS} FROM room_instances WHERE {within} \
         AND ({started_at} {is_later} $3 OR ({started_at} = $3 AND sid {is_later} $4)) \
         ORDER BY {started_at} {direction}, sid {direction} LIMIT $5"
    )
}

async fn rows_of_page(
    pool: &AnyPool,
    room: Option<&str>,
    range: &TimeRange,
    order: Order,
    after: Option<&Position>,
    limit: usize,
) -> Result<Vec<InstanceRow>, ReadingError> {
    let (started_at, sid) = match (after, order) {
        (Some(Position(started_at, sid)), _) => (*started_at, sid.as_str()),
        (None, Order::OldestFirst) => (i64::MIN, ""),
        (None, Order::NewestFirst) => (i64::MAX, ""),
    };
    let of = Lives::within(pool, room, range).await?;
    let query = sqlx::query(AssertSqlSafe(instances_statement(of, order)))
        .bind(range.from)
        .bind(range.to)
        .bind(started_at)
        .bind(stored_text(sid).into_owned())
        .bind(number(limit + 1));
    let query = match room {
        Some(room) => query.bind(stored_text(room).into_owned()),
        None => query,
    };
    let rows = query.fetch_all(pool).await?;
    Ok(rows.iter().map(instance_of).collect::<sqlx::Result<_>>()?)
}

async fn counted(
    pool: &AnyPool,
    rows: Vec<InstanceRow>,
) -> Result<Vec<CountedInstance>, ReadingError> {
    let needs_counting = |row: &&InstanceRow| row.totals.is_none() || row.finished_at.is_none();
    let sids: Vec<&str> = rows.iter().filter(needs_counting).map(|row| &*row.sid).collect();
    let counts = counts_of(pool, &sids).await?;
    let with_counts = rows.into_iter().map(|row| {
        let counted = counts.get(&row.sid).copied().unwrap_or_default();
        let known = row.totals.filter(|_| row.finished_at.is_some());
        let (people, sessions) = known
            .map_or((counted.people, counted.sessions), |known| (known.people, known.sessions));
        CountedInstance { row, people, sessions, active: counted.active }
    });
    Ok(with_counts.collect())
}

pub(super) fn counts_statement(instances: usize) -> String {
    let places: Vec<String> = (1..=instances).map(|place| format!("${place}")).collect();
    format!(
        "SELECT instance, COUNT(DISTINCT identity), COUNT(*), \
         COUNT(DISTINCT CASE WHEN left_at = {OPEN} THEN identity END) \
         FROM sessions WHERE agent = 0 AND instance IN ({}) GROUP BY instance",
        places.join(", ")
    )
}

async fn counts_of(
    pool: &AnyPool,
    instances: &[&str],
) -> Result<HashMap<String, Counts>, ReadingError> {
    if instances.is_empty() {
        return Ok(HashMap::new());
    }
    let query = sqlx::query(AssertSqlSafe(counts_statement(instances.len())));
    let query = instances.iter().fold(query, |query, sid| query.bind((*sid).to_owned()));
    let rows = query.fetch_all(pool).await?;
    let counts = rows.iter().map(|row| {
        let counts =
            Counts { people: row.try_get(1)?, sessions: row.try_get(2)?, active: row.try_get(3)? };
        Ok((row.try_get(0)?, counts))
    });
    Ok(counts.collect::<sqlx::Result<_>>()?)
}

async fn sessions_in(pool: &AnyPool, instance: &str) -> Result<Vec<AnyRow>, ReadingError> {
    let statement = format!("SELECT {SHOWN_COLUMNS} FROM sessions WHERE instance = $1 LIMIT $2");
    let query = sqlx::query(AssertSqlSafe(statement))
        .bind(instance.to_owned())
        .bind(number(MAX_SESSIONS + 1));
    let rows = all_rows(pool, query).await?;
    if rows.len() > MAX_SESSIONS {
        return Err(ReadingError::TooMuch { max: MAX_SESSIONS });
    }
    Ok(rows)
}
