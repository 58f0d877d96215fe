//! WebSockets: how one is opened, and what its client's messages do. The frames are `crate::web_socket`'s, and the sockets are the
//! workers'.
//!
//! `opening` is what both routes share, `client` answers the messages of one connection, `message` reads them, and `answers` writes
//! what they are answered with; `watched` is what the connection watches.

mod answers;
mod client;
mod message;
mod opening;
mod watched;

pub(super) use opening::{Asked, Opening};
