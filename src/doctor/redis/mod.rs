//! The two Redis: that of the rooms, and LiveKit's own.

mod livekits;
mod rooms;

pub(super) use livekits::check as check_livekits;
pub(super) use rooms::check as check_rooms;
