//! Who was there: sessions and lives of rooms in a database, written from what the store's outbox holds.

mod fold;
mod row;
mod spans;

pub use fold::{Changed, Keys, Rows, totals};
pub use row::{InstanceRow, SessionRow, Span, Spans, Totals};
pub use spans::{cut, duration, most_at_once, union};
