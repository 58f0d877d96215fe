//! The listener, and the connections on it until they are closed or handed off. Nothing else talks to hyper.

mod answer;
mod connection;
mod connection_state;
mod conversation;
mod direct;
mod flush_tracking;
mod hand_off;
mod head;
mod head_watch;
mod linger;
pub(super) mod listener;
mod origin_scan;
mod refusal;
mod service;
mod wakes_itself;
