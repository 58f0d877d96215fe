//! Who was there: sessions and lives of rooms in a database, written from what the store's outbox holds.

mod audit;
mod auditor;
mod database;
mod error;
mod fold;
mod handle;
mod journal;
mod metrics;
mod reading;
mod retention;
mod row;
mod settings;
mod spans;
mod writer;

pub use auditor::{AuditError, AuditedHistory, Auditor};
pub use database::{
    Database, DatabaseTables, Dialect, ExaminedDatabase, HistoryAddress, INSTANCE_COLUMNS, OPEN,
    RosterRow, RosterRows, RosterSubject, RosterWrite, SESSION_COLUMNS, Swept, homeless_statement,
    identity_key, instance_of, session_of, stored_text,
};
pub use error::HistoryError;
pub use fold::{Changed, Keys, Rows, totals};
pub use handle::{History, HistoryParts};
pub use metrics::HistoryMetrics;
pub use reading::{
    Attended, CountedInstance, Csv, Cursor, EmptyRange, Export, ExportFormat, Minutes, Order, Page,
    Period, Person, Planned, Position, ReadRoster, Reader, ReadingError, Rfc3339, SessionInRange,
    Stayed, TimeRange, Usage, parse_time, people_of, planned, usage_of,
};
pub use row::{InstanceRow, SessionRow, Span, Spans, Totals};
pub use settings::HistorySettings;
pub use spans::{cut, duration, most_at_once, union};
