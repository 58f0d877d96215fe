//! Reads the history: who attended, which lives of rooms there were, where a person was, how busy rooms were. The arithmetic is
//! pure (`attendance.rs`, `analytics.rs`, `session.rs`); the other files ask the database. A [`Reader`] answers a few questions
//! at a time, each for a bounded price.

mod analytics;
mod attendance;
mod csv;
mod cursor;
mod export;
mod instances;
mod people;
mod person;
mod range;
mod reader;
mod roster;
mod session;
mod side;
mod statements;
mod time;
mod usage;

pub use analytics::{Minutes, Period, Usage, usage_of};
pub use attendance::{Person, people_of};
pub use csv::Csv;
pub use cursor::{Cursor, Position};
pub use export::{Export, ExportFormat};
pub use instances::{CountedInstance, Order};
pub use people::Attended;
pub use range::{EmptyRange, TimeRange};
pub use reader::{Page, Reader, ReadingError};
pub use roster::{ReadRoster, Stayed};
pub use session::SessionInRange;
pub use statements::{Planned, planned};
pub use time::{Rfc3339, parse as parse_time};
