//! What the database knows of a room's roster: what moderators wrote, and who of these, or uninvited, was there.

use std::collections::HashMap;

use sqlx::{AnyPool, AssertSqlSafe, Row, any::AnyRow};

use crate::{
    history::database::{
        OPEN, ROSTER_COLUMNS, RosterRow, identity_key, roster_row_of, stored_text,
    },
    presence::RoomName,
};

use super::reader::{Reader, ReadingError, all_rows, number};

/// Of people who came uninvited, those of at most this many stays are found: the last ones.
const MAX_UNINVITED_STAYS: usize = 20_000;
/// LiveKit tells when somebody left in whole seconds, and so perhaps a second before it was.
const WHOLE_SECOND: i64 = 1_000;

/// A room's roster as the database has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadRoster {
    pub rows: Vec<RosterRow>,
    /// The last stays, by identity: of those who have a row, since it began; of others, in the room's present life, or its last.
    pub stays: HashMap<String, Stayed>,
}

/// Somebody's stay in a room, in milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stayed {
    pub name: String,
    pub joined_at: i64,
    /// None where the history does not know yet.
    pub left_at: Option<i64>,
}

impl Reader {
    /// The roster of a room.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn roster(&self, room: &RoomName) -> Result<ReadRoster, ReadingError> {
        self.ask(async |pool| {
            let rows = sqlx::query(AssertSqlSafe(rows_statement())).bind(room.to_string());
            let rows = all_rows(pool, rows).await?;
            let rows: Vec<_> = rows.iter().map(roster_row_of).collect::<sqlx::Result<_>>()?;
            let mut stays = uninvited(pool, room).await?;
            for row in &rows {
                stays.remove(&row.identity);
            }
            let invited = sqlx::query(AssertSqlSafe(stays_statement())).bind(room.to_string());
            for row in all_rows(pool, invited).await? {
                let (identity, stayed) = stayed_of(&row)?;
                stays.insert(identity, stayed);
            }
            Ok(ReadRoster { rows, stays })
        })
        .await
    }

    /// What the roster of a room has of one person.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn roster_of(
        &self,
        room: &RoomName,
        identity: &str,
    ) -> Result<ReadRoster, ReadingError> {
        self.ask(async |pool| {
            let row = row_of(pool, room, identity).await?;
            let (since, life) = match (&row, life_of(pool, room).await?) {
                (Some(row), _) => (row.since, None),
                (None, Some((sid, started_at))) => (started_at, Some(sid)),
                (None, None) => return Ok(ReadRoster::default()),
            };
            let statement = stay_statement(life.is_some());
            let stayed = sqlx::query(AssertSqlSafe(statement))
                .bind(identity_key(identity))
                .bind(stored_text(identity).into_owned())
                .bind(room.to_string())
                .bind(since - WHOLE_SECOND);
            let stayed = life.into_iter().fold(stayed, sqlx::query::Query::bind);
            let stayed = stayed.fetch_optional(pool).await?;
            let stays = stayed.iter().map(stayed_of).collect::<sqlx::Result<_>>()?;
            Ok(ReadRoster { rows: row.into_iter().collect(), stays })
        })
        .await
    }

    /// What moderators wrote of somebody in a room.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn roster_row(
        &self,
        room: &RoomName,
        identity: &str,
    ) -> Result<Option<RosterRow>, ReadingError> {
        self.ask(async |pool| row_of(pool, room, identity).await).await
    }
}

async fn row_of(
    pool: &AnyPool,
    room: &RoomName,
    identity: &str,
) -> Result<Option<RosterRow>, ReadingError> {
    let one = format!("{} AND identity_key = $2 AND identity = $3", rows_statement());
    let row = sqlx::query(AssertSqlSafe(one))
        .bind(room.to_string())
        .bind(identity_key(identity))
        .bind(stored_text(identity).into_owned())
        .fetch_optional(pool)
        .await?;
    Ok(row.as_ref().map(roster_row_of).transpose()?)
}

/// The sid of the last life of a room, and when it began.
async fn life_of(pool: &AnyPool, room: &RoomName) -> Result<Option<(String, i64)>, ReadingError> {
    let life = sqlx::query(LIFE_STATEMENT).bind(room.to_string());
    let life = life.fetch_optional(pool).await?;
    Ok(life.map(|row| Ok::<_, sqlx::Error>((row.try_get(0)?, row.try_get(1)?))).transpose()?)
}

async fn uninvited(
    pool: &AnyPool,
    room: &RoomName,
) -> Result<HashMap<String, Stayed>, ReadingError> {
    let Some((sid, started_at)) = life_of(pool, room).await? else { return Ok(HashMap::new()) };
    let query = sqlx::query(UNINVITED_STATEMENT)
        .bind(room.to_string())
        .bind(started_at - WHOLE_SECOND)
        .bind(number(MAX_UNINVITED_STAYS))
        .bind(sid);
    let rows = all_rows(pool, query).await?;
    Ok(rows.iter().map(stayed_of).collect::<sqlx::Result<_>>()?)
}

pub(super) fn rows_statement() -> String {
    format!("SELECT {ROSTER_COLUMNS} FROM roster WHERE room = $1")
}

/// The last life of a room: one that goes on, or the one that ended last.
pub(super) const LIFE_STATEMENT: &str =
    "SELECT sid, started_at FROM room_instances WHERE room = $1 ORDER BY finished_at DESC LIMIT 1";

/// The last stay of each who has a row, since then.
pub(super) fn stays_statement() -> String {
    format!(
        "SELECT roster.identity, MAX(sessions.name), MAX(sessions.joined_at), MAX(sessions.left_at) \
         FROM roster JOIN sessions ON sessions.identity_key = roster.identity_key \
         AND sessions.left_at > roster.since - {WHOLE_SECOND} \
         WHERE roster.room = $1 AND sessions.identity = roster.identity AND sessions.room = roster.room \
         GROUP BY roster.identity_key, roster.identity"
    )
}

/// The last stay of each person who was in one life of a room, by when it began and by its sid.
pub(super) const UNINVITED_STATEMENT: &str = "SELECT identity, MAX(name), MAX(joined_at), MAX(left_at) FROM (\
         SELECT identity_key, identity, name, joined_at, left_at FROM sessions \
         WHERE room = $1 AND left_at > $2 AND agent = 0 AND (instance = $4 OR instance IS NULL) \
         ORDER BY left_at DESC LIMIT $3\
     ) AS stays GROUP BY identity_key, identity";

/// The last stay of one person in a room after a moment; with `of_life` in one life of the room, and not as an agent.
pub(super) fn stay_statement(of_life: bool) -> String {
    let life = if of_life { "AND agent = 0 AND (instance = $5 OR instance IS NULL)" } else { "" };
    format!(
        "SELECT identity, MAX(name), MAX(joined_at), MAX(left_at) FROM sessions \
         WHERE identity_key = $1 AND identity = $2 AND room = $3 AND left_at > $4 {life} \
         GROUP BY identity_key, identity"
    )
}

fn stayed_of(row: &AnyRow) -> sqlx::Result<(String, Stayed)> {
    let left_at: i64 = row.try_get(3)?;
    let left_at = (left_at != OPEN).then_some(left_at);
    Ok((row.try_get(0)?, Stayed { name: row.try_get(1)?, joined_at: row.try_get(2)?, left_at }))
}
