//! The log of events: what happened in all rooms, in order, for those who follow everything. It runs only while somebody follows
//! it, and `events.keep` longer.

mod entries;
mod event;
mod feed;
mod log_id;
mod memory;
mod settings;
#[cfg(test)]
mod slow_log;

pub(super) use entries::{Happened, Origin, passes};
pub use event::{EventSource, FeedEvent};
pub(super) use feed::{Batch, EventFollowers, EventLog, Item, Reading};
pub use feed::{EventFeed, EventFeedMessage, LoggedEvent, Resumed};
pub use log_id::{InvalidLogId, LogId};
pub(super) use memory::MemoryEventLog;
pub use settings::EventLogSettings;
#[cfg(test)]
pub(crate) use slow_log::slow_feed;
