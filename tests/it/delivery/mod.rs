//! Slow clients, talkative clients, many clients, and how streams end.

mod crowd;
mod deltas;
mod ends;
mod input;
mod lagged;
mod slow;
mod web_socket;
