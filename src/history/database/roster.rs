//! The rosters that moderators write.

use std::fmt::Write;

use sqlx::{Any, AnyConnection, AssertSqlSafe, Row, any::AnyArguments, any::AnyRow, query::Query};

use crate::{history::error::HistoryError, presence::RoomName};

use super::{Database, bulk, identity_key, stored_text};

/// What [`roster_row_of`] reads, in this order, after `SELECT`.
pub const ROSTER_COLUMNS: &str =
    "identity, role, can_speak, can_video, note, invited, since, version";

/// What a moderator has written of somebody in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterRow {
    pub identity: String,
    pub role: String,
    /// None: as the role says.
    pub can_speak: Option<bool>,
    pub can_video: Option<bool>,
    pub note: Option<String>,
    /// False for somebody who came uninvited.
    pub invited: bool,
    /// When they were invited, or when this was written of somebody who came uninvited; in milliseconds since the Unix epoch.
    pub since: i64,
    /// The revision of the room's roster that last changed it. The database sets it.
    pub version: i64,
}

/// Whose rows a change reads.
#[derive(Clone, Copy, Debug)]
pub enum RosterSubject<'name> {
    One(&'name str),
    Everybody,
}

/// The rows that a change has read.
#[derive(Clone, Debug, Default)]
pub struct RosterRows {
    pub rows: Vec<RosterRow>,
    /// How many rows the room has in all.
    pub count: usize,
}

/// What a change writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RosterWrite {
    /// Rows that are new, or replace those of the same identity.
    pub put: Vec<RosterRow>,
    pub removed: Vec<String>,
}

/// Reads a row of `roster`, selected with [`ROSTER_COLUMNS`].
///
/// # Errors
/// It is none.
pub fn roster_row_of(row: &AnyRow) -> sqlx::Result<RosterRow> {
    let is_true = |flag: i64| flag != 0;
    Ok(RosterRow {
        identity: row.try_get(0)?,
        role: row.try_get(1)?,
        can_speak: row.try_get::<Option<i64>, _>(2)?.map(is_true),
        can_video: row.try_get::<Option<i64>, _>(3)?.map(is_true),
        note: row.try_get(4)?,
        invited: is_true(row.try_get(5)?),
        since: row.try_get(6)?,
        version: row.try_get(7)?,
    })
}

impl Database {
    /// Changes the roster of a room. `decide` is given the rows as they are, and nobody writes in between. Returns what was written,
    /// each row with its new version. Where that is nothing, the roster keeps its revision.
    ///
    /// # Errors
    /// The database cannot be used, or `decide` refuses. Then nothing is changed.
    pub async fn change_roster<E: From<HistoryError>>(
        &self,
        room: &RoomName,
        subject: RosterSubject<'_>,
        now_micros: u64,
        decide: impl FnOnce(&RosterRows) -> Result<RosterWrite, E> + Send,
    ) -> Result<RosterWrite, E> {
        let mut transaction = self.begin().await?;
        let rows = read(&mut transaction, room, subject).await.map_err(HistoryError::from)?;
        let mut write = decide(&rows)?;
        if write == RosterWrite::default() {
            return Ok(write);
        }
        let saved = save(&mut transaction, room, now_micros, &mut write).await;
        saved.map_err(HistoryError::from)?;
        transaction.commit().await.map_err(HistoryError::from)?;
        Ok(write)
    }
}

/// Deletes what rosters say of a person.
pub(super) async fn erase(
    connection: &mut AnyConnection,
    identity: &str,
    at_millis: i64,
) -> sqlx::Result<()> {
    let rooms = "SELECT room FROM roster WHERE identity_key = $1 AND identity = $2";
    let of_person = |sql: &'static str| {
        sqlx::query(sql).bind(identity_key(identity)).bind(stored_text(identity).into_owned())
    };
    let rooms = of_person(rooms).fetch_all(&mut *connection).await?;
    let now_micros = at_millis.unsigned_abs().saturating_mul(1_000);
    for room in rooms {
        raise_revision(connection, room.try_get(0)?, now_micros).await?;
    }
    let delete = "DELETE FROM roster WHERE identity_key = $1 AND identity = $2";
    of_person(delete).execute(&mut *connection).await.map(|_| ())
}

/// Rooms whose roster nobody changed after `$1`, and of whose people nothing is kept.
const UNUSED: &str = "SELECT room FROM roster_rooms WHERE written_at < $1 \
     AND NOT EXISTS (SELECT 1 FROM sessions WHERE sessions.room = roster_rooms.room) LIMIT 100";

/// Deletes the rosters of some rooms that are no longer used. Returns whether there may be more.
pub(super) async fn sweep(
    connection: &mut AnyConnection,
    written_before_millis: i64,
) -> sqlx::Result<bool> {
    let unused = sqlx::query(UNUSED).bind(written_before_millis).fetch_all(&mut *connection);
    let unused = unused.await?;
    for row in &unused {
        let room: String = row.try_get(0)?;
        for delete in
            ["DELETE FROM roster WHERE room = $1", "DELETE FROM roster_rooms WHERE room = $1"]
        {
            sqlx::query(delete).bind(room.clone()).execute(&mut *connection).await?;
        }
    }
    Ok(!unused.is_empty())
}

async fn read(
    connection: &mut AnyConnection,
    room: &RoomName,
    subject: RosterSubject<'_>,
) -> sqlx::Result<RosterRows> {
    let all = format!("SELECT {ROSTER_COLUMNS} FROM roster WHERE room = $1");
    let rows = match subject {
        RosterSubject::Everybody => {
            let query = sqlx::query(AssertSqlSafe(all)).bind(room.to_string());
            query.fetch_all(&mut *connection).await?
        }
        RosterSubject::One(identity) => {
            let one = format!("{all} AND identity_key = $2 AND identity = $3");
            let query = sqlx::query(AssertSqlSafe(one)).bind(room.to_string());
            let query = query.bind(identity_key(identity)).bind(stored_text(identity).into_owned());
            query.fetch_all(&mut *connection).await?
        }
    };
    let rows: Vec<_> = rows.iter().map(roster_row_of).collect::<sqlx::Result<_>>()?;
    let count = match subject {
        RosterSubject::Everybody => rows.len(),
        RosterSubject::One(_) => {
            let count = sqlx::query_scalar("SELECT COUNT(*) FROM roster WHERE room = $1");
            let count: i64 = count.bind(room.to_string()).fetch_one(&mut *connection).await?;
            usize::try_from(count).unwrap_or_default()
        }
    };
    Ok(RosterRows { rows, count })
}

async fn save(
    connection: &mut AnyConnection,
    room: &RoomName,
    now_micros: u64,
    write: &mut RosterWrite,
) -> sqlx::Result<()> {
    let revision = raise_revision(connection, room.as_str(), now_micros).await?;
    for row in &mut write.put {
        row.version = revision;
    }
    put(connection, room, &write.put).await?;
    remove(connection, room, &write.removed).await
}

/// Raises the revision of a room's roster: above the one before, and to the time in microseconds, so that it does not repeat after
/// the room was forgotten. Returns it.
async fn raise_revision(
    connection: &mut AnyConnection,
    room: &str,
    now_micros: u64,
) -> sqlx::Result<i64> {
    let before = sqlx::query_scalar("SELECT revision FROM roster_rooms WHERE room = $1");
    let before: Option<i64> = before.bind(room.to_owned()).fetch_optional(&mut *connection).await?;
    let now = i64::try_from(now_micros).unwrap_or(i64::MAX);
    let revision = before.map_or(now, |before| now.max(before.saturating_add(1)));
    sqlx::query(
        "INSERT INTO roster_rooms (room, revision, written_at) VALUES ($1, $2, $3) \
         ON CONFLICT (room) DO UPDATE SET revision = excluded.revision, written_at = excluded.written_at",
    )
    .bind(room.to_owned())
    .bind(revision)
    .bind(now / 1_000)
    .execute(&mut *connection)
    .await?;
    Ok(revision)
}

async fn put(
    connection: &mut AnyConnection,
    room: &RoomName,
    rows: &[RosterRow],
) -> sqlx::Result<()> {
    let columns = format!("room, identity_key, {ROSTER_COLUMNS}");
    let set: Vec<_> = ROSTER_COLUMNS.split(", ").skip(1).collect();
    let set: Vec<_> = set.iter().map(|name| format!("{name} = excluded.{name}")).collect();
    for rows in bulk::rows(rows) {
        let sql = format!(
            "INSERT INTO roster ({columns}) VALUES {} \
             ON CONFLICT (room, identity_key, identity) DO UPDATE SET {}",
            bulk::places(rows.len(), columns.split(", ").count()),
            set.join(", ")
        );
        let query = sqlx::query(AssertSqlSafe(sql));
        let query = rows.iter().fold(query, |query, row| bind(query, room, row));
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

fn bind<'query>(
    query: Query<'query, Any, AnyArguments>,
    room: &RoomName,
    row: &RosterRow,
) -> Query<'query, Any, AnyArguments> {
    query
        .bind(room.to_string())
        .bind(identity_key(&row.identity))
        .bind(stored_text(&row.identity).into_owned())
        .bind(row.role.clone())
        .bind(row.can_speak.map(i64::from))
        .bind(row.can_video.map(i64::from))
        .bind(row.note.as_deref().map(|note| stored_text(note).into_owned()))
        .bind(i64::from(row.invited))
        .bind(row.since)
        .bind(row.version)
}

async fn remove(
    connection: &mut AnyConnection,
    room: &RoomName,
    identities: &[String],
) -> sqlx::Result<()> {
    for identities in bulk::values(identities) {
        let mut places = String::new();
        for place in 1..=identities.len() {
            let comma = if place == 1 { "" } else { "," };
            let _ = write!(places, "{comma}${place}");
        }
        let after = identities.len() + 1;
        let others: Vec<_> =
            (after + 1..=after + identities.len()).map(|at| format!("${at}")).collect();
        let sql = format!(
            "DELETE FROM roster WHERE identity_key IN ({places}) AND room = ${after} AND identity IN ({})",
            others.join(",")
        );
        let query = sqlx::query(AssertSqlSafe(sql));
        let query = identities.iter().fold(query, |query, one| query.bind(identity_key(one)));
        let query = query.bind(room.to_string());
        let query =
            identities.iter().fold(query, |query, one| query.bind(stored_text(one).into_owned()));
        query.execute(&mut *connection).await?;
    }
    Ok(())
}
