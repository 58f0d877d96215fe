//! A database for the history of one test.

use livekit_presence::history::{Database, HistoryAddress};

use super::{Folder, PostgresServer};

/// A database that is there, and empty. Ends with the test.
pub enum TestDatabase {
    Sqlite(Folder),
    Postgres(Box<PostgresServer>),
}

impl TestDatabase {
    pub fn sqlite() -> Self {
        Self::Sqlite(Folder::new("history"))
    }

    pub async fn postgres() -> Self {
        Self::Postgres(Box::new(PostgresServer::start().await))
    }

    /// One of each kind.
    pub async fn both() -> [Self; 2] {
        [Self::sqlite(), Self::postgres().await]
    }

    /// As `history.url` has it.
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => {
                format!("sqlite:{}", folder.path().join("history.db").display())
            }
            Self::Postgres(server) => server.url(),
        }
    }

    /// Another connection to it.
    pub async fn connect(&self) -> Database {
        Database::connect(&HistoryAddress::parse(&self.url()).unwrap()).await.unwrap()
    }
}
