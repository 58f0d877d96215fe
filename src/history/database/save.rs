//! Writes rows. A row that the database has in a newer state stays as it is there.

use std::collections::BTreeSet;

use sqlx::{Any, AnyConnection, AssertSqlSafe, any::AnyArguments, query::Query};

use crate::history::{
    fold::Changed,
    row::{InstanceRow, SessionRow, Totals},
};

use super::{INSTANCE_COLUMNS, OPEN, SESSION_COLUMNS, bulk, encode, load, stored_text};

type Statement<'query> = Query<'query, Any, AnyArguments>;

pub(super) async fn save(
    connection: &mut AnyConnection,
    changed: &Changed<'_>,
) -> sqlx::Result<()> {
    let columns = format!("{SESSION_COLUMNS}, identity_key");
    upsert(connection, "sessions", &columns, &changed.sessions, bind_session).await?;
    let instances = &changed.instances;
    upsert(connection, "room_instances", INSTANCE_COLUMNS, instances, bind_instance).await?;
    let of_sessions = changed.sessions.iter().filter_map(|row| row.instance.as_deref());
    let touched = of_sessions.chain(instances.iter().map(|row| row.sid.as_str()));
    sum_up(connection, touched.collect()).await
}

async fn upsert<R>(
    connection: &mut AnyConnection,
    table: &str,
    columns: &str,
    rows: &[&R],
    bind: impl for<'query> Fn(Statement<'query>, &R) -> sqlx::Result<Statement<'query>>,
) -> sqlx::Result<()> {
    let names: Vec<_> = columns.split(", ").collect();
    let set: Vec<_> = names[1..].iter().map(|name| format!("{name} = excluded.{name}")).collect();
    let set = set.join(", ");
    for rows in bulk::rows(rows) {
        let places = bulk::places(rows.len(), names.len());
        let sql = format!(
            "INSERT INTO {table} ({columns}) VALUES {places} ON CONFLICT (sid) DO UPDATE SET {set} \
             WHERE {table}.seq < excluded.seq"
        );
        let statement =
            rows.iter().try_fold(sqlx::query(AssertSqlSafe(sql)), |s, row| bind(s, row))?;
        statement.execute(&mut *connection).await?;
    }
    Ok(())
}

/// In the order of [`SESSION_COLUMNS`].
fn bind_session<'query>(
    statement: Statement<'query>,
    row: &SessionRow,
) -> sqlx::Result<Statement<'query>> {
    let spans =
        serde_json::to_string(&row.spans).map_err(|error| sqlx::Error::Encode(error.into()))?;
    Ok(statement
        .bind(text(&row.sid))
        .bind(text(&row.identity))
        .bind(text(&row.room))
        .bind(optional(row.instance.as_deref()))
        .bind(text(&row.name))
        .bind(text(&row.kind))
        .bind(i64::from(row.agent))
        .bind(row.joined_at)
        .bind(row.left_at.unwrap_or(OPEN))
        .bind(i64::from(row.exact))
        .bind(optional(row.reason.as_deref()))
        .bind(encode::told_by(row.joined_told_by).to_owned())
        .bind(row.left_told_by.map(|told_by| encode::told_by(told_by).to_owned()))
        .bind(row.left_why.map(|why| encode::left_why(why).to_owned()))
        .bind(spans)
        .bind(optional(row.metadata.as_deref()))
        .bind(row.seq)
        .bind(encode::identity_key(&row.identity)))
}

/// In the order of [`INSTANCE_COLUMNS`].
#[expect(clippy::unnecessary_wraps, reason = "it stands beside `bind_session`")]
fn bind_instance<'query>(
    statement: Statement<'query>,
    row: &InstanceRow,
) -> sqlx::Result<Statement<'query>> {
    Ok(statement
        .bind(text(&row.sid))
        .bind(text(&row.room))
        .bind(row.started_at)
        .bind(row.finished_at.unwrap_or(OPEN))
        .bind(i64::from(row.exact))
        .bind(optional(row.reason.as_deref()))
        .bind(row.finished_told_by.map(|told_by| encode::told_by(told_by).to_owned()))
        .bind(row.totals.map(|totals| totals.peak))
        .bind(row.totals.map(|totals| totals.people))
        .bind(row.totals.map(|totals| totals.sessions))
        .bind(row.seq))
}

fn text(text: &str) -> String {
    stored_text(text).into_owned()
}

fn optional(optional: Option<&str>) -> Option<String> {
    optional.map(text)
}

/// What the sessions of a finished life of a room come to is kept with it.
pub(super) async fn sum_up(
    connection: &mut AnyConnection,
    touched: BTreeSet<&str>,
) -> sqlx::Result<()> {
    let finished = format!("AND finished_at <> {OPEN}");
    for kept in load::instances(connection, "sid", touched, &finished).await? {
        let sessions = load::sessions(connection, "instance", [&kept.sid], "").await?;
        let mut instance = kept.clone();
        instance.sum_up(&sessions);
        if instance == kept {
            continue;
        }
        let Totals { peak, people, sessions } = instance.totals.unwrap_or_default();
        sqlx::query(
            "UPDATE room_instances SET started_at = $1, finished_at = $2, peak_people = $3, \
             total_people = $4, total_sessions = $5 WHERE sid = $6",
        )
        .bind(instance.started_at)
        .bind(instance.finished_at.unwrap_or(OPEN))
        .bind(peak)
        .bind(people)
        .bind(sessions)
        .bind(instance.sid)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
