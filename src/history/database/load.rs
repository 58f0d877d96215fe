//! Loads the rows that items touch.

use sqlx::{AnyConnection, AssertSqlSafe, any::AnyRow};

use crate::history::{
    fold::{Keys, Rows},
    row::{InstanceRow, SessionRow},
};

use super::{INSTANCE_COLUMNS, OPEN, SESSION_COLUMNS, bulk, instance_of, session_of, stored_text};

pub(super) async fn load(connection: &mut AnyConnection, keys: &Keys) -> sqlx::Result<Rows> {
    let mut sessions = sessions(connection, "sid", &keys.sids, "").await?;
    sessions.extend(self::sessions(connection, "room", &keys.rooms, &homeless()).await?);
    let unfinished = format!("AND finished_at = {OPEN}");
    let mut instances = instances(connection, "sid", &keys.instances, "").await?;
    instances.extend(self::instances(connection, "room", &keys.rooms, &unfinished).await?);
    Ok(Rows::new(sessions, instances))
}

/// Which sessions get their life of the room once it is known.
fn homeless() -> String {
    format!("AND left_at = {OPEN} AND instance IS NULL")
}

/// The statement that each batch asks about its rooms, for a test that looks at how the database answers it.
pub fn homeless_statement() -> String {
    format!("SELECT {SESSION_COLUMNS} FROM sessions WHERE room IN ($1) {}", homeless())
}

/// The sessions with one of these values in a column.
pub(super) async fn sessions(
    connection: &mut AnyConnection,
    column: &str,
    values: impl IntoIterator<Item = impl AsRef<str>>,
    condition: &str,
) -> sqlx::Result<Vec<SessionRow>> {
    let start = format!("SELECT {SESSION_COLUMNS} FROM sessions WHERE {column}");
    select(connection, &start, values, condition).await?.iter().map(session_of).collect()
}

/// The lives of rooms with one of these values in a column.
pub(super) async fn instances(
    connection: &mut AnyConnection,
    column: &str,
    values: impl IntoIterator<Item = impl AsRef<str>>,
    condition: &str,
) -> sqlx::Result<Vec<InstanceRow>> {
    let start = format!("SELECT {INSTANCE_COLUMNS} FROM room_instances WHERE {column}");
    select(connection, &start, values, condition).await?.iter().map(instance_of).collect()
}

pub(super) async fn select(
    connection: &mut AnyConnection,
    start: &str,
    values: impl IntoIterator<Item = impl AsRef<str>>,
    condition: &str,
) -> sqlx::Result<Vec<AnyRow>> {
    let values: Vec<_> =
        values.into_iter().map(|value| stored_text(value.as_ref()).into_owned()).collect();
    let mut rows = Vec::new();
    for values in bulk::values(&values) {
        let sql = format!("{start} IN {} {condition}", bulk::places(1, values.len()));
        let query =
            values.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), sqlx::query::Query::bind);
        rows.extend(query.fetch_all(&mut *connection).await?);
    }
    Ok(rows)
}
