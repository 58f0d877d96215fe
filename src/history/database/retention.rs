//! Deletes what has been kept long enough.

use sqlx::{AssertSqlSafe, Executor};

use crate::history::error::HistoryError;

use super::{Database, Dialect, roster};

/// Rows in one transaction, so that what is written meanwhile does not wait for long.
const ROWS_AT_ONCE: i64 = 1_000;

/// Has SQLite look at samples of tables that grew much, so that it chooses the best index. PostgreSQL does that by itself. The bits
/// stand for: analyze, do not read too much for it, and look at all tables. So it keeps no values of rows.
const OPTIMIZE: &str = "PRAGMA optimize = 0x10012";

/// From this number on it helps to know more of the tables.
const MANY_SESSIONS: i64 = 10_000;

/// How many rows were deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub sessions: u64,
    pub instances: u64,
}

impl Database {
    /// Deletes what ended before this time, and erasures before the other, and with these the rosters of rooms that are no longer
    /// used. What goes on stays.
    ///
    /// # Errors
    /// The database cannot be used. What was deleted before that stays deleted.
    pub async fn sweep(
        &self,
        before_millis: i64,
        erased_before_millis: i64,
    ) -> Result<Swept, HistoryError> {
        let sessions = self.delete(
            "DELETE FROM sessions WHERE sid IN (SELECT sid FROM sessions WHERE left_at < $1 LIMIT $2)",
            before_millis,
        );
        let sessions = sessions.await?;
        let instances = self.delete(
            "DELETE FROM room_instances WHERE sid IN \
             (SELECT sid FROM room_instances WHERE finished_at < $1 LIMIT $2)",
            before_millis,
        );
        let instances = instances.await?;
        let erasures = self.delete(
            "DELETE FROM erasures WHERE identity_hash IN (SELECT identity_hash FROM erasures WHERE at < $1 LIMIT $2)",
            erased_before_millis,
        );
        erasures.await?;
        self.sweep_rosters(before_millis.min(erased_before_millis)).await?;
        if self.dialect() == Dialect::Sqlite && self.has_many_sessions().await? {
            self.pools.writing.execute(OPTIMIZE).await?;
        }
        Ok(Swept { sessions, instances })
    }

    /// Deletes the rosters of rooms where nobody was, and which nobody changed, after this time.
    async fn sweep_rosters(&self, before_millis: i64) -> Result<(), HistoryError> {
        loop {
            let mut transaction = self.begin().await?;
            let is_more = roster::sweep(&mut transaction, before_millis).await?;
            transaction.commit().await?;
            if !is_more {
                return Ok(());
            }
        }
    }

    /// Of small tables SQLite would learn that they can be read from end to end, and believe that when they have grown.
    async fn has_many_sessions(&self) -> Result<bool, HistoryError> {
        let many = format!("SELECT COUNT(*) FROM (SELECT 1 FROM sessions LIMIT {MANY_SESSIONS})");
        let count: i64 =
            sqlx::query_scalar(AssertSqlSafe(many)).fetch_one(&self.pools.writing).await?;
        Ok(count == MANY_SESSIONS)
    }

    async fn delete(
        &self,
        statement: &'static str,
        before_millis: i64,
    ) -> Result<u64, HistoryError> {
        let mut deleted = 0;
        loop {
            let mut transaction = self.begin().await?;
            let done = sqlx::query(statement)
                .bind(before_millis)
                .bind(ROWS_AT_ONCE)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            deleted += done.rows_affected();
            if done.rows_affected() < ROWS_AT_ONCE.unsigned_abs() {
                return Ok(deleted);
            }
        }
    }
}
