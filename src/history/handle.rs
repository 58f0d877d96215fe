//! What the rest of the service has of the history.

use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;
use tracing::info;

use crate::{
    abort_on_panic,
    clock::Clock,
    coordination::Peers,
    moderation::BanRecords,
    reconcile::Reconciler,
    store::{Outbox, Store},
};

use super::{
    auditor::{AuditedHistory, Auditor},
    database::{Database, Dialect},
    error::HistoryError,
    journal::Journal,
    metrics::HistoryMetrics,
    reading::Reader,
    retention::Retention,
    settings::HistorySettings,
    writer::Writer,
};

/// What the history works on.
pub struct HistoryParts {
    pub database: Arc<Database>,
    pub store: Arc<dyn Store>,
    /// What the store's steps add.
    pub outbox: Arc<dyn Outbox>,
    pub peers: Arc<dyn Peers>,
    /// None where LiveKit cannot be asked.
    pub reconciler: Option<Reconciler>,
    pub clock: Clock,
}

/// The history of rooms. Its tasks end when it is dropped.
pub struct History {
    database: Arc<Database>,
    reader: Reader,
    clock: Clock,
    metrics: HistoryMetrics,
    /// None where the store outlives this process.
    journal: Option<Arc<Journal>>,
    _tasks: Vec<AbortOnDropHandle<()>>,
}

impl History {
    /// Starts to write what the store's outbox holds, to hold it against the rooms, and to delete what was kept long enough. Must be
    /// called in a runtime.
    pub fn start(parts: HistoryParts, settings: HistorySettings, metrics: HistoryMetrics) -> Self {
        let HistoryParts { database, store, outbox, peers, reconciler, clock } = parts;
        info!(database = ?database.address(), "the history of rooms is kept");
        let journal = (!outbox.outlives_process()).then(|| {
            Arc::new(Journal::new(Arc::clone(&outbox), Arc::clone(&database), metrics.clone()))
        });
        let outbox = journal.clone().map_or(outbox, |journal| journal as Arc<dyn Outbox>);
        let rows = Arc::clone(&database);
        let writer = Writer::new(rows, Arc::clone(&outbox), Arc::clone(&peers), metrics.clone());
        let rows = Arc::clone(&database) as Arc<dyn AuditedHistory>;
        let auditor =
            Auditor::new(rows, store, outbox, Arc::clone(&peers), reconciler, settings.metadata);
        let retention = Retention {
            database: Arc::clone(&database),
            peers,
            clock: clock.clone(),
            metrics: metrics.clone(),
            keep: settings.keep,
        };
        let mut tasks = vec![
            spawn("the history's writer", writer.run()),
            spawn("the history's auditor", auditor.run()),
            spawn("the history's retention", retention.run()),
        ];
        if let Some(journal) = &journal {
            tasks.push(spawn("the history's journal", Arc::clone(journal).run()));
        }
        let reader = Reader::new(Arc::clone(&database)).after(journal.clone());
        Self { database, reader, clock, metrics, journal, _tasks: tasks }
    }

    /// Where the rows are.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Keeps bans.
    pub fn bans(&self) -> Arc<dyn BanRecords> {
        Arc::clone(&self.database) as Arc<dyn BanRecords>
    }

    /// Answers questions about the past.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Makes sure that a file can be written. A server may be away now and back later, and so may a file that others use.
    ///
    /// # Errors
    /// The file cannot be made, is none of `SQLite`, or was written by a later release.
    pub async fn check(&self) -> Result<(), HistoryError> {
        match self.database.dialect() {
            Dialect::Sqlite => self.database.prepare().await.or_else(|error| match error {
                error if error.is_busy() => Ok(()),
                error => Err(error),
            }),
            Dialect::Postgres => Ok(()),
        }
    }

    /// Deletes all sessions of a person, also those that are still on their way here. Returns how many there were. Who is inside
    /// is in the history again with their next join.
    ///
    /// # Errors
    /// The database cannot be used.
    pub async fn erase(&self, identity: &str) -> Result<u64, HistoryError> {
        let now = i64::try_from(self.clock.now().as_millis()).unwrap_or(i64::MAX);
        if let Some(journal) = &self.journal {
            journal.settle().await;
        }
        let erased = self.database.erase(identity, now).await?;
        self.metrics.erased(erased);
        info!(sessions = erased, "erased a person's history");
        Ok(erased)
    }
}

fn spawn(
    what: &'static str,
    run: impl Future<Output = ()> + Send + 'static,
) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(abort_on_panic::task(what, run)))
}
