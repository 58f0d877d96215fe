//! Who is expected in a room, in which role, and who of them is there: what moderators wrote, merged with the room's list and its
//! history. Whether somebody is there is never written, only derived, so that it is right whatever told of it.
//!
//! `handle` is the entrance. Below it: `view`, which merges, and `edit`, which says what a change writes, both pure; `entry`, what
//! clients see of one person; `live`, the task that keeps a roster that somebody watches; `event`, what the feed says of a change; `error`.

mod edit;
mod entry;
mod error;
mod event;
mod handle;
mod live;
mod view;

pub use edit::{CollectionEdit, MAX_ENTRIES, Preconditions, RosterEdit, Said, Tags};
pub use entry::{RosterEntry, RosterStatus};
pub use error::RosterError;
pub use handle::{Edited, Roster, RosterParts, RosterRole};
pub use view::RosterView;

#[cfg(test)]
mod tests;
