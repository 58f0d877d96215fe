//! The sessions of the history for other programs, a part at a time.

use std::time::Duration;

use serde::Serialize;
use sqlx::AssertSqlSafe;

use crate::history::{
    database::{SESSION_COLUMNS, session_of},
    row::SessionRow,
};

use super::{
    csv::Csv,
    range::TimeRange,
    reader::{Reader, ReadingError, number},
    session::{SessionInRange, is_seen},
};

/// Sessions that are written at once, at most.
const PART: usize = 1_000;
/// Sessions that are looked through for that. In a short range only few of them are, and still each part must be read in time.
const LOOKED_THROUGH: usize = 10_000;
/// Nobody waits for an answer here.
const PART_TIMEOUT: Duration = Duration::from_mins(1);

/// How sessions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    Csv,
    /// One JSON object a line.
    JsonLines,
}

/// Sessions on their way out. Every session is in it once, in the order of the sids, which stays while sessions come and end.
pub struct Export {
    reader: Reader,
    range: TimeRange,
    format: ExportFormat,
    after: Option<String>,
    has_begun: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Exported<'row> {
    room: &'row str,
    identity: &'row str,
    name: &'row str,
    kind: &'row str,
    agent: bool,
    #[serde(flatten)]
    session: SessionInRange,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'row str>,
}

impl Export {
    pub fn new(reader: Reader, range: TimeRange, format: ExportFormat) -> Self {
        Self { reader, range, format, after: Some(String::new()), has_begun: false }
    }

    /// The next part of the text; none at its end.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn next(&mut self) -> Result<Option<String>, ReadingError> {
        let Some(after) = self.after.take() else { return Ok(None) };
        let (rows, after) = self.reader.sessions_after(&after, &self.range).await?;
        self.after = after;
        let seen = rows.iter().filter(|row| is_seen(row, &self.range));
        let text = match self.format {
            ExportFormat::Csv => self.csv(seen),
            ExportFormat::JsonLines => {
                seen.map(|row| String::from_utf8_lossy(&self.json_line(row)).into_owned()).collect()
            }
        };
        self.has_begun = true;
        Ok(Some(text))
    }

    fn json_line(&self, row: &SessionRow) -> Vec<u8> {
        let mut line = crate::json::line(&Exported {
            room: &row.room,
            identity: &row.identity,
            name: &row.name,
            kind: &row.kind,
            agent: row.agent,
            session: SessionInRange::of(row, &self.range),
            metadata: row.metadata.as_deref(),
        });
        line.push(b'\n');
        line
    }

    fn csv<'row>(&self, rows: impl Iterator<Item = &'row SessionRow>) -> String {
        let mut csv = if self.has_begun {
            Csv::default()
        } else {
            Csv::with_columns(
                &[&["room", "identity", "name", "kind"][..], &SessionInRange::COLUMNS].concat(),
            )
        };
        for row in rows {
            csv.text(&row.room).text(&row.identity).text(&row.name).text(&row.kind);
            SessionInRange::of(row, &self.range).write_csv(&mut csv, self.range.now);
            csv.end_row();
        }
        csv.take()
    }
}

impl Reader {
    /// Some sessions of the range in the order of the sids, and the sid after which the others come, if there are any.
    async fn sessions_after(
        &self,
        sid: &str,
        range: &TimeRange,
    ) -> Result<(Vec<SessionRow>, Option<String>), ReadingError> {
        self.ask_within(PART_TIMEOUT, async |pool| {
            let last: Option<String> = sqlx::query_scalar(AssertSqlSafe(last_statement()))
                .bind(sid.to_owned())
                .bind(number(LOOKED_THROUGH))
                .fetch_one(pool)
                .await?;
            let Some(last) = last else { return Ok((Vec::new(), None)) };
            let rows = sqlx::query(AssertSqlSafe(export_statement()))
                .bind(sid.to_owned())
                .bind(range.from)
                .bind(range.to)
                .bind(last.clone())
                .bind(number(PART))
                .fetch_all(pool)
                .await?;
            let rows = rows.iter().map(session_of).collect::<sqlx::Result<Vec<_>>>()?;
            let is_full = rows.len() == PART;
            let after = rows.last().filter(|_| is_full).map_or(last, |row| row.sid.clone());
            Ok((rows, Some(after)))
        })
        .await
    }
}

/// The last sid that a part looks at.
pub(super) fn last_statement() -> String {
    "SELECT MAX(sid) FROM (SELECT sid FROM sessions WHERE sid > $1 ORDER BY sid LIMIT $2) AS part"
        .to_owned()
}

/// The pluses keep the database to the order of the sids: with another index it would sort everything for each part.
pub(super) fn export_statement() -> String {
    format!(
        "SELECT {SESSION_COLUMNS} FROM sessions \
         WHERE sid > $1 AND sid <= $4 AND +left_at > $2 AND +joined_at < $3 ORDER BY sid LIMIT $5"
    )
}
