//! Keeps what steps add until the rows have it, where no store outlives this process.

use serde_json::{from_str, to_string};
use sqlx::{AssertSqlSafe, Row};

use crate::{history::error::HistoryError, store::HistoryItem};

use super::{Database, bulk};

/// An entry of the journal: its number, and the items that came together. None if this release cannot read them.
pub(in crate::history) type JournalEntry = (i64, Option<Vec<HistoryItem>>);

impl Database {
    /// Adds an entry. One small statement: LiveKit waits for it.
    ///
    /// # Errors
    /// The database cannot be used, or has an entry with this number.
    pub(in crate::history) async fn journal(
        &self,
        number: i64,
        items: &[&HistoryItem],
    ) -> Result<(), HistoryError> {
        self.prepare().await?;
        let items = to_string(items).map_err(|error| sqlx::Error::Encode(error.into()))?;
        sqlx::query("INSERT INTO journal (number, items) VALUES ($1, $2)")
            .bind(number)
            .bind(items)
            .execute(&self.pools.writing)
            .await?;
        Ok(())
    }

    /// The entries from a number on, in order.
    ///
    /// # Errors
    /// The database cannot be used.
    pub(in crate::history) async fn journaled(
        &self,
        from: i64,
    ) -> Result<Vec<JournalEntry>, HistoryError> {
        self.prepare().await?;
        let entries = "SELECT number, items FROM journal WHERE number >= $1 ORDER BY number";
        let entries = sqlx::query(entries).bind(from).fetch_all(&self.pools.writing).await?;
        let entry = |row: &sqlx::any::AnyRow| {
            let items: String = row.try_get(1)?;
            Ok((row.try_get(0)?, from_str(&items).ok()))
        };
        Ok(entries.iter().map(entry).collect::<sqlx::Result<_>>()?)
    }

    /// Deletes entries.
    ///
    /// # Errors
    /// The database cannot be used.
    pub(in crate::history) async fn forget_journaled(
        &self,
        numbers: &[i64],
    ) -> Result<(), HistoryError> {
        for numbers in bulk::values(numbers) {
            let sql =
                format!("DELETE FROM journal WHERE number IN {}", bulk::places(1, numbers.len()));
            let delete =
                numbers.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), sqlx::query::Query::bind);
            delete.execute(&self.pools.writing).await?;
        }
        Ok(())
    }
}
