//! Why the history could not be read or written.

use sqlx::error::ErrorKind;

/// The database did not do what it was asked. It did all of it or nothing.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// It cannot be reached, or cannot do it at the moment. Asking again may help.
    #[error("the history's database cannot be used at the moment")]
    Away(#[source] sqlx::Error),
    /// It did not answer in time.
    #[error("the history's database did not answer in time")]
    TimedOut,
    /// It refuses what it was asked for its data. Asking again does not help.
    #[error("the history's database refuses the data")]
    Refused(#[source] sqlx::Error),
    /// It holds rows that this release cannot read. A later one may have written them.
    #[error("a row of the history's database cannot be read; a later release may have written it")]
    Unreadable(#[source] sqlx::Error),
    /// Its tables are not those of this release.
    #[error("the tables of the history's database cannot be made, or are those of another release")]
    Schema(#[source] sqlx::migrate::MigrateError),
}

impl HistoryError {
    /// Whether somebody else is using the file, so that it may be free again soon.
    pub(super) fn is_busy(&self) -> bool {
        match self {
            Self::TimedOut | Self::Away(sqlx::Error::PoolTimedOut) => true,
            Self::Away(sqlx::Error::Database(error)) => {
                let code = error.code().and_then(|code| code.parse::<i32>().ok());
                // SQLITE_BUSY and SQLITE_LOCKED, in whatever detail.
                code.is_some_and(|code| matches!(code & 0xff, 5 | 6))
            }
            Self::Away(_) | Self::Refused(_) | Self::Unreadable(_) | Self::Schema(_) => false,
        }
    }
}

impl From<sqlx::Error> for HistoryError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            error @ (sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. }) => {
                Self::Unreadable(error)
            }
            error if is_of_data(&error) => Self::Refused(error),
            error => Self::Away(error),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for HistoryError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::Execute(error) => Self::Away(error),
            error => Self::Schema(error),
        }
    }
}

/// Whether the error comes from the rows, and not from the database's state.
fn is_of_data(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Encode(_) => true,
        sqlx::Error::Database(error) => {
            error.kind() != ErrorKind::Other || error.code().is_some_and(|code| is_of_rows(&code))
        }
        _ => false,
    }
}

/// `PostgreSQL` gives the class of an error in the first two of five characters: 22 is a value that does not fit its type or
/// encoding, 54 one that is too large. `SQLite` gives numbers: 18 is a value that is too large, 20 one of another type.
fn is_of_rows(code: &str) -> bool {
    match code.len() {
        5 => code.starts_with("22") || code.starts_with("54"),
        _ => matches!(code, "18" | "20"),
    }
}
