//! The rosters of rooms, live: a topic for each room whose roster somebody watches.
//!
//! What is in a roster, a higher layer says: its task takes a `RosterTopic`, and publishes entries that are JSON already. `snapshot`
//! is what lies in a topic.

mod snapshot;
mod topics;

pub use snapshot::{RosterChange, RosterSnapshot, RosterTotals};
pub use topics::{RosterTopic, RosterTopics};
