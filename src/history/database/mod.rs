//! The history's database: SQLite in a file, or PostgreSQL. Both get the same statements, and have the same tables (`schema.sql`,
//! `roster.sql`, `bans.sql`).
//!
//! Writing transactions come one after the other, also those of several instances. So what a transaction reads is what it changes:
//! no other one writes in between.

mod address;
mod audit;
mod bans;
mod bulk;
mod decode;
mod encode;
mod erasure;
mod examine;
mod existing;
mod journal;
mod load;
mod pools;
mod retention;
mod roster;
mod save;
mod write;

pub use address::HistoryAddress;
pub use decode::{INSTANCE_COLUMNS, SESSION_COLUMNS, SHOWN_COLUMNS, instance_of, session_of};
pub use encode::{OPEN, identity_key, stored_text};
pub use examine::{DatabaseTables, ExaminedDatabase};
pub use load::homeless_statement;
pub use retention::Swept;
pub(super) use roster::{ROSTER_COLUMNS, roster_row_of};
pub use roster::{RosterRow, RosterRows, RosterSubject, RosterWrite};

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use sqlx::{
    Any, AnyPool, Executor, SqlSafeStr, Transaction,
    any::install_default_drivers,
    migrate::{Migration, MigrationType, Migrator},
};
use tokio::time::sleep;

use super::error::HistoryError;

use pools::{CONNECT_TIMEOUT, Pools};

/// Waits until another transaction of this kind has ended, and lets no other begin before this one ends. An instance that is gone
/// without a word, or stands still, does not keep the others from writing for longer than these times: PostgreSQL would find that
/// out hours later.
const BEGIN_POSTGRES: &str = "SET LOCAL lock_timeout = '10s'; SET LOCAL statement_timeout = '15s'; \
     SET LOCAL idle_in_transaction_session_timeout = '10s'; SET LOCAL tcp_user_timeout = '10s'; \
     SELECT pg_advisory_xact_lock(7813865507310497128)";

/// Write-ahead logging, so that reading and writing do not wait for each other. The file remembers it. SQLite syncs each
/// transaction to the disk by default.
const SQLITE_JOURNAL: &str = "PRAGMA journal_mode = WAL";
/// Between two attempts to set it: SQLite does not wait where another process opens the same new file.
const BUSY_DELAY: Duration = Duration::from_millis(20);

/// Where rows are kept.
#[derive(Debug)]
pub struct Database {
    pools: Pools,
    address: HistoryAddress,
    is_prepared: AtomicBool,
}

/// Which kind of database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

impl Database {
    /// A database that is connected when it is needed. Must be called in a runtime.
    ///
    /// # Errors
    /// The address is none.
    pub fn new(address: &HistoryAddress) -> Result<Self, HistoryError> {
        install_default_drivers();
        let pools = Pools::new(address)?;
        Ok(Self { pools, address: address.clone(), is_prepared: false.into() })
    }

    /// Connects, and makes the tables if they are not there.
    ///
    /// # Errors
    /// The address is none, or the database cannot be used.
    pub async fn connect(address: &HistoryAddress) -> Result<Self, HistoryError> {
        let database = Self::new(address)?;
        database.prepare().await?;
        Ok(database)
    }

    /// Connects, and makes the tables if they are not there. Does nothing if that was done before.
    ///
    /// # Errors
    /// The database cannot be used.
    pub async fn prepare(&self) -> Result<(), HistoryError> {
        if !self.is_prepared.load(Ordering::Acquire) {
            // Several callers may get here at once. None waits for another's attempt, which may be in vain.
            self.migrate().await?;
            self.is_prepared.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// For reading: connections to a database that has the tables.
    ///
    /// # Errors
    /// The database cannot be used.
    pub async fn reader(&self) -> Result<&AnyPool, HistoryError> {
        self.prepare().await?;
        Ok(&self.pools.reading)
    }

    pub fn dialect(&self) -> Dialect {
        self.address.dialect()
    }

    /// Without its password.
    pub fn address(&self) -> &HistoryAddress {
        &self.address
    }

    /// A transaction that writes. There is no other one until it ends.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Any>, HistoryError> {
        self.prepare().await?;
        self.begin_alone().await
    }

    async fn begin_alone(&self) -> Result<Transaction<'static, Any>, HistoryError> {
        match self.dialect() {
            Dialect::Sqlite => Ok(self.pools.writing.begin_with("BEGIN IMMEDIATE").await?),
            Dialect::Postgres => {
                let mut transaction = self.pools.writing.begin().await?;
                sqlx::raw_sql(BEGIN_POSTGRES).execute(&mut *transaction).await?;
                Ok(transaction)
            }
        }
    }

    async fn migrate(&self) -> Result<(), HistoryError> {
        if let HistoryAddress::File(path) = &self.address {
            address::make_file(path).map_err(sqlx::Error::from)?;
            self.set_journal().await?;
        }
        let mut transaction = self.begin_alone().await?;
        migrator(self.dialect()).run_direct(None, &mut *transaction, false).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn set_journal(&self) -> Result<(), HistoryError> {
        let until = Instant::now() + CONNECT_TIMEOUT;
        loop {
            let set = self.pools.writing.execute(SQLITE_JOURNAL).await.map_err(HistoryError::from);
            match set {
                Err(error) if error.is_busy() && Instant::now() < until => sleep(BUSY_DELAY).await,
                set => return set.map(|_| ()),
            }
        }
    }
}

/// The tables of every release, oldest first: a number, a name, and statements. A released migration never changes.
const MIGRATIONS: [(i64, &str, &str); 3] = [
    (1, "sessions", include_str!("schema.sql")),
    (2, "roster", include_str!("roster.sql")),
    (3, "bans", include_str!("bans.sql")),
];

fn migrator(dialect: Dialect) -> Migrator {
    let migration = |(number, name, tables): (i64, &'static str, &str)| {
        let tables = match dialect {
            Dialect::Sqlite => tables.to_owned(),
            // Compares bytes, as SQLite does. The order of other collations changes with the system's libraries.
            Dialect::Postgres => tables.replace(" TEXT", " TEXT COLLATE \"C\""),
        };
        let tables = sqlx::AssertSqlSafe(tables).into_sql_str();
        Migration::new(number, name.into(), MigrationType::Simple, tables, false)
    };
    let mut migrator = Migrator::with_migrations(MIGRATIONS.map(migration).into());
    migrator.dangerous_set_table_name("livekit_presence_migrations");
    // The transaction around it has a lock.
    migrator.set_locking(false);
    migrator
}
