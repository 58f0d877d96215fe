//! Answers questions about the past from the database, each for a bounded price.

use std::{sync::Arc, time::Duration};

use futures_util::TryStreamExt;
use sqlx::{Any, AnyPool, any::AnyArguments, any::AnyRow, query::Query};
use tokio::{
    sync::Semaphore,
    task::coop::consume_budget,
    time::{Instant, timeout, timeout_at},
};

use crate::history::{
    database::{Database, session_of},
    error::HistoryError,
    journal::Journal,
    row::SessionRow,
};

use super::cursor::Position;

/// Sessions that one question is about at most. Only their sum is known before they are read, so a question about more is refused.
pub const MAX_SESSIONS: usize = 100_000;
/// Questions at the same time. They leave connections for what writes the history.
const QUESTIONS_AT_ONCE: usize = 3;
/// Clients get an answer within 4.5 seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);
/// How long a question waits for its turn, so that there is time for its answer.
const TURN_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadingError {
    #[error(transparent)]
    Database(#[from] HistoryError),
    /// Others are being answered, and go on for long.
    #[error("the history answers other questions, and had no turn for this one in time")]
    Busy,
    /// It is about too much.
    #[error("more than {max} sessions are in this range")]
    TooMuch { max: usize },
    /// A day or an hour has too many sessions to be counted.
    #[error("more than {max} sessions are in one period")]
    PeriodTooLarge { max: usize },
}

impl From<sqlx::Error> for ReadingError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// A part of an answer, in order.
#[derive(Debug, PartialEq)]
pub struct Page<T> {
    pub entries: Vec<T>,
    /// Where the next page goes on, if this is not the last one.
    pub next: Option<Position>,
}

impl<T> Page<T> {
    /// From up to one entry more than the page takes.
    pub(super) fn of(mut entries: Vec<T>, limit: usize, position: impl Fn(&T) -> Position) -> Self {
        let has_more = entries.len() > limit;
        entries.truncate(limit);
        let next = entries.last().filter(|_| has_more).map(position);
        Self { entries, next }
    }
}

/// Reads the history.
#[derive(Clone)]
pub struct Reader {
    database: Arc<Database>,
    turns: Arc<Semaphore>,
    /// Has what the rows do not have yet.
    journal: Option<Arc<Journal>>,
}

impl Reader {
    pub fn new(database: Arc<Database>) -> Self {
        Self { database, turns: Arc::new(Semaphore::new(QUESTIONS_AT_ONCE)), journal: None }
    }

    /// Waits for the rows to have what lies in this journal, so that a client finds each change that it has seen.
    pub(in crate::history) fn after(self, journal: Option<Arc<Journal>>) -> Self {
        Self { journal, ..self }
    }

    /// Asks within the time that there is, and when it is this question's turn.
    pub(super) async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&AnyPool) -> Result<T, ReadingError>,
    ) -> Result<T, ReadingError> {
        self.ask_within(ANSWER_TIMEOUT, question).await
    }

    pub(super) async fn ask_within<T>(
        &self,
        time: Duration,
        question: impl AsyncFnOnce(&AnyPool) -> Result<T, ReadingError>,
    ) -> Result<T, ReadingError> {
        let answer_until = Instant::now() + time;
        if let Some(journal) = &self.journal {
            journal.settle().await;
        }
        let turn = timeout(TURN_TIMEOUT, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| ReadingError::Busy)?.expect("nobody closes it");
        let answer = async { question(self.database.reader().await?).await };
        timeout_at(answer_until, answer).await.map_err(|_| HistoryError::TimedOut)?
    }
}

/// Reads all rows of an answer. There may be many, so that others have their turn on this thread in between.
pub(super) async fn all_rows(
    pool: &AnyPool,
    query: Query<'_, Any, AnyArguments>,
) -> sqlx::Result<Vec<AnyRow>> {
    let mut answer = query.fetch(pool);
    let mut rows = Vec::new();
    while let Some(row) = answer.try_next().await? {
        rows.push(row);
        consume_budget().await;
    }
    Ok(rows)
}

/// The sessions in the rows of an answer.
pub(super) fn sessions_of(rows: &[AnyRow]) -> sqlx::Result<Vec<SessionRow>> {
    rows.iter().map(session_of).collect()
}

/// A limit or a count as the database takes it.
pub(super) fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
