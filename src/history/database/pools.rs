//! Connections to the database. What is asked does not take those on which it is written.

use std::time::Duration;

use sqlx::{AnyConnection, AnyPool, Connection, Executor, any::AnyPoolOptions};
use tokio::time::timeout;

use super::{Dialect, HistoryAddress};

/// How long a connection may take. Clients and LiveKit wait for some of what is asked on it.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections for questions, which are answered three at a time, and for audits.
const READING: u32 = 4;
/// Writing transactions come one after the other, and wait for each other on their connections.
const WRITING: u32 = 3;
/// PostgreSQL works on after nobody waits for an answer any more, and the connection is taken until then. Clients wait for less.
const READING_POSTGRES: &str = "SET statement_timeout = '5s'";
/// What is erased does not stay in pages that are free.
const WRITING_SQLITE: &str = "PRAGMA secure_delete = ON";
/// For what was asked last on a connection to end. Longer than any statement for reading takes.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(8);

#[derive(Debug)]
pub(super) struct Pools {
    pub reading: AnyPool,
    pub writing: AnyPool,
}

impl Pools {
    /// Connected when they are needed.
    pub fn new(address: &HistoryAddress) -> sqlx::Result<Self> {
        let options = address.options()?;
        if *address == HistoryAddress::Memory {
            // Each connection would have a database of its own.
            let only = pool_options(1).idle_timeout(None).max_lifetime(None);
            let only = only.connect_lazy_with(options);
            return Ok(Self { reading: only.clone(), writing: only });
        }
        let (reading, writing) = match address.dialect() {
            Dialect::Sqlite => {
                (pool_options(READING), first(pool_options(WRITING), WRITING_SQLITE))
            }
            Dialect::Postgres => (
                first(if_it_answers(pool_options(READING)), READING_POSTGRES),
                if_it_answers(pool_options(WRITING)),
            ),
        };
        let (reading, writing) =
            (reading.connect_lazy_with(options.clone()), writing.connect_lazy_with(options));
        Ok(Self { reading, writing })
    }
}

fn pool_options(connections: u32) -> AnyPoolOptions {
    AnyPoolOptions::new().acquire_timeout(CONNECT_TIMEOUT).max_connections(connections)
}

/// Connections to a server, which are kept while they answer.
fn if_it_answers(options: AnyPoolOptions) -> AnyPoolOptions {
    options.after_release(|connection, _| Box::pin(answers(connection)))
}

/// Whether a connection answers that somebody has given back. One that does not, without being closed, would be taken for ever.
async fn answers(connection: &mut AnyConnection) -> sqlx::Result<bool> {
    let answered = timeout(RELEASE_TIMEOUT, connection.ping()).await;
    answered.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map(|()| true)
}

/// Connections on which this is said first.
fn first(options: AnyPoolOptions, statement: &'static str) -> AnyPoolOptions {
    options.after_connect(move |connection, _| {
        Box::pin(async move { connection.execute(statement).await.map(|_| ()) })
    })
}
