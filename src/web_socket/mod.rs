//! The frames of WebSocket (RFC 6455): what the service writes, and what clients send.
//!
//! `sse` makes messages of its events with it, and `delivery` reads with it what clients send and closes connections. It knows
//! no sockets and none of the service's messages; the handshake is `http`'s. The headers of frames are read and written by
//! tungstenite.

mod control;
mod decoder;
mod text;

pub use control::{Close, pong};
pub use decoder::{Decoder, Incoming, MAX_MESSAGE_BYTES, Violation};
pub use text::{write_text, write_text_of};
