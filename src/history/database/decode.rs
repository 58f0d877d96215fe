//! Reads the rows of both tables.

use sqlx::{Row, any::AnyRow};

use crate::{
    history::row::{InstanceRow, SessionRow, Totals},
    presence::{LeftWhy, ToldBy},
};

use super::{OPEN, encode};

/// What [`session_of`] reads, in this order, after `SELECT`.
pub const SESSION_COLUMNS: &str = "sid, identity, room, instance, name, kind, agent, joined_at, left_at, exact, reason, \
                                   joined_told_by, left_told_by, left_why, spans, metadata, seq";

/// The same without metadata, which may be long and which no route shows.
pub const SHOWN_COLUMNS: &str = "sid, identity, room, instance, name, kind, agent, joined_at, left_at, exact, reason, \
                                 joined_told_by, left_told_by, left_why, spans, CAST(NULL AS TEXT) AS metadata, seq";

/// What [`instance_of`] reads, in this order, after `SELECT`.
pub const INSTANCE_COLUMNS: &str = "sid, room, started_at, finished_at, exact, reason, finished_told_by, peak_people, \
                                    total_people, total_sessions, seq";

/// Reads a row of `sessions`, selected with [`SESSION_COLUMNS`], or with these and no metadata.
///
/// # Errors
/// It is none.
pub fn session_of(row: &AnyRow) -> sqlx::Result<SessionRow> {
    Ok(SessionRow {
        sid: row.try_get(0)?,
        identity: row.try_get(1)?,
        room: row.try_get(2)?,
        instance: row.try_get(3)?,
        name: row.try_get(4)?,
        kind: row.try_get(5)?,
        agent: is_true(row, 6)?,
        joined_at: row.try_get(7)?,
        left_at: end(row, 8)?,
        exact: is_true(row, 9)?,
        reason: row.try_get(10)?,
        joined_told_by: told_by(row.try_get(11)?)?,
        left_told_by: row.try_get::<Option<&str>, _>(12)?.map(told_by).transpose()?,
        left_why: row.try_get::<Option<&str>, _>(13)?.map(left_why).transpose()?,
        spans: serde_json::from_str(row.try_get(14)?).map_err(sqlx::Error::decode)?,
        metadata: row.try_get(15)?,
        seq: row.try_get(16)?,
    })
}

/// Reads a row of `room_instances`, selected with [`INSTANCE_COLUMNS`].
///
/// # Errors
/// It is none.
pub fn instance_of(row: &AnyRow) -> sqlx::Result<InstanceRow> {
    let totals: [Option<i64>; 3] = [row.try_get(7)?, row.try_get(8)?, row.try_get(9)?];
    let totals = match totals {
        [Some(peak), Some(people), Some(sessions)] => Some(Totals { peak, people, sessions }),
        _ => None,
    };
    Ok(InstanceRow {
        sid: row.try_get(0)?,
        room: row.try_get(1)?,
        started_at: row.try_get(2)?,
        finished_at: end(row, 3)?,
        exact: is_true(row, 4)?,
        reason: row.try_get(5)?,
        finished_told_by: row.try_get::<Option<&str>, _>(6)?.map(told_by).transpose()?,
        totals,
        seq: row.try_get(10)?,
    })
}

fn end(row: &AnyRow, index: usize) -> sqlx::Result<Option<i64>> {
    let end: i64 = row.try_get(index)?;
    Ok((end != OPEN).then_some(end))
}

fn is_true(row: &AnyRow, index: usize) -> sqlx::Result<bool> {
    Ok(row.try_get::<i64, _>(index)? != 0)
}

fn told_by(text: &str) -> sqlx::Result<ToldBy> {
    let known = [ToldBy::Webhook, ToldBy::Comparison];
    let told_by = known.into_iter().find(|known| encode::told_by(*known) == text);
    told_by.ok_or_else(|| sqlx::Error::decode(format!("{text:?} tells of nothing")))
}

fn left_why(text: &str) -> sqlx::Result<LeftWhy> {
    let known = [LeftWhy::Said, LeftWhy::Concluded, LeftWhy::Hidden];
    let why = known.into_iter().find(|known| encode::left_why(*known) == text);
    why.ok_or_else(|| sqlx::Error::decode(format!("{text:?} is no reason to leave")))
}
