//! One room compared with LiveKit's own list, and the sessions in it probed that give reason to doubt.
//!
//! What it costs: a call for the list, and nothing else if that omits nobody. One probe for each session that it omits, at most
//! 16 at once and four times as many per comparison; a second list if one of them is not answered. If it omits more than 16 and
//! nobody in the sample lives, `ListRooms` is asked too: if LiveKit does not have the room, the sample speaks for the others.
//! Otherwise those who were not probed stay, and the next comparison goes on.

pub mod comparison;
mod follow_up;
pub mod lease;
mod list_request;
