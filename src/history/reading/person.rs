//! Where one person was.

use sqlx::{AnyPool, AssertSqlSafe, any::AnyRow};

use crate::{
    blocking,
    history::{
        database::{OPEN, SHOWN_COLUMNS, identity_key, stored_text},
        row::SessionRow,
    },
};

use super::{
    cursor::Position,
    range::TimeRange,
    reader::{Page, Reader, ReadingError, all_rows, number, sessions_of},
    session::is_seen,
};

/// Sessions of one person that go on at the same time, at most. Nobody has more devices.
const MAX_OPEN: usize = 100;

impl Reader {
    /// The sessions of a person within the range, the newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn sessions_of_person(
        &self,
        identity: &str,
        range: &TimeRange,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Page<SessionRow>, ReadingError> {
        self.ask(async |pool| {
            let rows = rows_of_page(pool, identity, range, after, limit).await?;
            let range = *range;
            blocking::run(move || {
                let position = |row: &SessionRow| Position(row.joined_at, row.sid.clone());
                let mut page = Page::of(sessions_of(&rows)?, limit, position);
                page.entries.retain(|row| is_seen(row, &range));
                Ok(page)
            })
            .await
        })
        .await
    }

    /// The sessions of a person that go on, as far as the history knows.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn open_sessions_of(&self, identity: &str) -> Result<Vec<SessionRow>, ReadingError> {
        self.ask(async |pool| {
            let rows = sqlx::query(AssertSqlSafe(open_statement()))
                .bind(identity_key(identity))
                .bind(stored_text(identity).into_owned())
                .fetch_all(pool)
                .await?;
            Ok(sessions_of(&rows)?)
        })
        .await
    }
}

/// The plus keeps SQLite from looking through all that is open.
pub(super) fn open_statement() -> String {
    format!(
        "SELECT {SHOWN_COLUMNS} FROM sessions \
         WHERE identity_key = $1 AND identity = $2 AND +left_at = {OPEN} \
         ORDER BY joined_at DESC LIMIT {MAX_OPEN}"
    )
}

pub(super) fn person_statement() -> String {
    format!(
        "SELECT {SHOWN_COLUMNS} FROM sessions \
         WHERE identity_key = $1 AND identity = $2 AND left_at > $3 AND joined_at < $4 \
         AND (joined_at < $5 OR (joined_at = $5 AND sid < $6)) \
         ORDER BY joined_at DESC, sid DESC LIMIT $7"
    )
}

async fn rows_of_page(
    pool: &AnyPool,
    identity: &str,
    range: &TimeRange,
    after: Option<&Position>,
    limit: usize,
) -> Result<Vec<AnyRow>, ReadingError> {
    let (joined_at, sid) = after.map_or((i64::MAX, ""), |Position(time, sid)| (*time, sid));
    let query = sqlx::query(AssertSqlSafe(person_statement()))
        .bind(identity_key(identity))
        .bind(stored_text(identity).into_owned())
        .bind(range.from)
        .bind(range.to)
        .bind(joined_at)
        .bind(stored_text(sid).into_owned())
        .bind(number(limit + 1));
    Ok(all_rows(pool, query).await?)
}
