//! The list of rooms, live: every room, or those whose names begin with a prefix, with their counts.
//!
//! `task` follows the store while somebody watches; `list` is the list and what changed in it; `topics` has a topic for each prefix,
//! and `snapshot` is what lies in one; `listed_room` is a room in it, encoded once.

mod list;
mod listed_room;
mod snapshot;
mod task;
mod topics;

pub use snapshot::RoomsSnapshot;
pub(super) use task::Directory;
pub use topics::SubscribeAllError;
pub(super) use topics::Topics;
