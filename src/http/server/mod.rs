//! The listener, and the connections on it up to the hand-off of a stream. Only here is hyper spoken to.

pub(super) mod connection;
pub(super) mod flush_tracking;
pub(super) mod head_watch;
pub(super) mod listener;
pub(super) mod refusal;
