//! Looks at a database for those who ask what is wrong with it. Nothing is made that stays.

use std::{io, path::Path, sync::atomic::Ordering};

use sqlx::Row;

use crate::history::error::HistoryError;

use super::{Database, Dialect, HistoryAddress, migrator};

/// Makes a row, and a table, that are taken back.
const WRITE_ROW: &str =
    "INSERT INTO erasures (identity_hash, at) VALUES ('livekit-presence-doctor', 0)";
const MAKE_TABLE: &str = "CREATE TABLE livekit_presence_doctor (number BIGINT)";
const POSTGRES_TIME: &str = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";

/// The tables of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseTables {
    /// Those of this release.
    Newest,
    /// Those of a release before it, or none. The service makes them when it starts.
    Older,
    /// Those of a later release, which this one does not read.
    Later,
}

/// What was seen of a database.
#[derive(Debug)]
pub struct ExaminedDatabase {
    pub tables: DatabaseTables,
    /// Why nothing can be written.
    pub unwritable: Option<HistoryError>,
    /// What the server's clock says, in milliseconds.
    pub time: Option<i64>,
}

impl Database {
    /// Looks at the database of an address. None if it is a file that is not there yet, in a folder where it can be made.
    ///
    /// # Errors
    /// It cannot be reached or read, or the file cannot be made.
    pub async fn examine(
        address: &HistoryAddress,
    ) -> Result<Option<ExaminedDatabase>, HistoryError> {
        if let HistoryAddress::File(path) = address
            && !path.exists()
        {
            can_be_made(path).map_err(sqlx::Error::from)?;
            return Ok(None);
        }
        let database = Self::new(address)?;
        // Keeps it from being prepared.
        database.is_prepared.store(true, Ordering::Release);
        let newest = migrator(database.dialect()).iter().last().map(|migration| migration.version);
        let version = database.version().await?;
        let tables = match version {
            version if version == newest => DatabaseTables::Newest,
            version if version > newest => DatabaseTables::Later,
            Some(_) | None => DatabaseTables::Older,
        };
        Ok(Some(ExaminedDatabase {
            tables,
            unwritable: database.try_writing(tables).await.err(),
            time: database.time().await?,
        }))
    }

    async fn try_writing(&self, tables: DatabaseTables) -> Result<(), HistoryError> {
        let mut transaction = self.begin_alone().await?;
        let statement = match tables {
            DatabaseTables::Newest | DatabaseTables::Later => WRITE_ROW,
            DatabaseTables::Older => MAKE_TABLE,
        };
        sqlx::query(statement).execute(&mut *transaction).await?;
        Ok(transaction.rollback().await?)
    }

    async fn time(&self) -> Result<Option<i64>, HistoryError> {
        match self.dialect() {
            Dialect::Sqlite => Ok(None),
            Dialect::Postgres => {
                let row = sqlx::query(POSTGRES_TIME).fetch_one(self.reader().await?).await?;
                Ok(row.try_get(0)?)
            }
        }
    }
}

fn can_be_made(path: &Path) -> io::Result<()> {
    let attempt = path.with_extension(format!("doctor-{:016x}", fastrand::u64(..)));
    super::address::make_file(&attempt)?;
    std::fs::remove_file(attempt)
}
