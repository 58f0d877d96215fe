//! Opens a database for those who only read it.

use std::sync::atomic::Ordering;

use sqlx::Row;

use crate::history::error::HistoryError;

use super::{Database, HistoryAddress, migrator};

impl Database {
    /// A database that has the tables of this release. Nothing is made and nothing is changed: its user may have the right to read
    /// and no other. None if it has no such tables, or if there is no such file.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn existing(address: &HistoryAddress) -> Result<Option<Self>, HistoryError> {
        if let HistoryAddress::File(path) = address
            && !path.exists()
        {
            return Ok(None);
        }
        let database = Self::new(address)?;
        // Keeps it from being prepared.
        database.is_prepared.store(true, Ordering::Release);
        let newest = migrator(database.dialect()).iter().last().map(|migration| migration.version);
        let has_tables = database.version().await? == newest;
        Ok(has_tables.then_some(database))
    }

    /// The last migration that was done.
    pub(super) async fn version(&self) -> Result<Option<i64>, HistoryError> {
        let version = "SELECT MAX(version) FROM livekit_presence_migrations";
        match sqlx::query(version).fetch_one(self.reader().await?).await {
            Ok(row) => Ok(row.try_get(0)?),
            Err(error) if is_without_table(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// `PostgreSQL` has a code for that, and `SQLite` one for all that is wrong with a statement.
fn is_without_table(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| matches!(&*code, "42P01" | "1"))
}
