//! Why a stream ended, as its client and the operator are told.

use std::io;

use crate::metrics::label;

label! {
    /// Why a stream ended.
    pub enum CloseReason as "reason" {
        /// The client went away.
        Client = "client",
        /// The access token expired.
        Expired = "expired",
        /// The stream reached `stream.max_age`.
        MaxAge = "max_age",
        /// Its identity has newer streams, as many as `limits.streams_per_identity`.
        Replaced = "replaced",
        /// This instance is shutting down.
        Drain = "drain",
        /// The client did not take a frame within `stream.write_timeout`.
        WriteTimeout = "write_timeout",
        /// The client was so slow that what it had to be sent next was no longer kept.
        Lagged = "lagged",
        /// The client was the slowest when slow clients kept more than `stream.pinned_bytes`.
        PinnedBytes = "pinned_bytes",
        /// The client sent more than a subscriber may send (64 KiB, and on a WebSocket 200 frames or 320 KB at once).
        TooMuchInput = "too_much_input",
        /// A WebSocket's client did not show a token in time.
        NoToken = "no_token",
        /// A WebSocket's client may not have what it asked for.
        Refused = "refused",
        /// A WebSocket's client broke the protocol,
        Protocol = "protocol",
        /// sent a binary message,
        Binary = "binary",
        /// sent text that is not UTF-8,
        NotUtf8 = "not_utf8",
        /// sent a message of more than 16 KiB,
        MessageTooLong = "message_too_long",
        /// or did not send the rest of a message.
        Incomplete = "incomplete",
        /// The socket failed.
        Socket = "socket",
    }
}

impl CloseReason {
    /// The reason when a read failed.
    pub(super) fn of_read(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset => Self::Client,
            _ => Self::Socket,
        }
    }

    /// The reason when a write failed. A client that went away is noticed by writes as well as by reads.
    pub(super) fn of_write(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Self::Client,
            _ => Self::Socket,
        }
    }
}
