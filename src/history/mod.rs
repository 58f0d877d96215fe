//! Who was there: sessions and lives of rooms in a database, written from what the store's outbox holds.

mod row;

pub use row::{InstanceRow, SessionRow, Span, Spans, Totals};
