//! The sessions of the history for other programs, a part at a time.

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

/// Sessions that are read at once.
const PART: usize = 1_000;

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
        let rows = self.reader.sessions_after(&after, &self.range).await?;
        self.after = rows.last().filter(|_| rows.len() == PART).map(|row| row.sid.clone());
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
    async fn sessions_after(
        &self,
        sid: &str,
        range: &TimeRange,
    ) -> Result<Vec<SessionRow>, ReadingError> {
        self.ask(async |pool| {
            let rows = sqlx::query(AssertSqlSafe(export_statement()))
                .bind(sid.to_owned())
                .bind(range.from)
                .bind(range.to)
                .bind(number(PART))
                .fetch_all(pool)
                .await?;
            Ok(rows.iter().map(session_of).collect::<sqlx::Result<_>>()?)
        })
        .await
    }
}

/// The pluses keep the database to the order of the sids: with another index it would sort everything for each part.
pub(super) fn export_statement() -> String {
    format!(
        "SELECT {SESSION_COLUMNS} FROM sessions WHERE sid > $1 AND +left_at > $2 AND +joined_at < $3 \
         ORDER BY sid LIMIT $4"
    )
}
