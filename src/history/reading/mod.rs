//! Questions to the history: who attended, where a person was, how busy rooms were. The arithmetic is pure.

mod analytics;
mod attendance;
mod csv;
mod cursor;
mod range;
mod session;
mod time;

pub use analytics::{Minutes, Period, Usage, usage_of};
pub use attendance::{Person, people_of};
pub use csv::Csv;
pub use cursor::{Cursor, Position};
pub use range::{EmptyRange, TimeRange};
pub use session::SessionInRange;
pub use time::{Rfc3339, parse as parse_time};
