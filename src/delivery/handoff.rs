//! What an HTTP handler gives to a worker: a stream, and the connection that it is written to.

use std::{net::TcpStream, sync::Arc, time::Instant};

use crate::{
    hub::Subscription,
    presence::Version,
    sse::{Frame, Framing},
};

use super::{client_messages::ClientMessages, close_reason::CloseReason, permit::Permit};

/// An open stream on its way from the handler that opened it to the worker that will serve it.
pub struct Handoff {
    /// Written before anything of what the stream watches.
    pub preface: Option<Arc<Frame>>,
    pub watches: Vec<HandoffWatch>,
    pub end: StreamEnd,
    /// Counts the stream and its connection until that is closed.
    pub permit: Permit,
    /// Takes what the client of a WebSocket says. None for an event stream.
    pub client: Option<Arc<dyn ClientMessages>>,
}

/// One topic that a stream watches, such as a room.
pub struct HandoffWatch {
    pub subscription: Subscription,
    /// The version that the client says it has.
    pub has: Option<Version>,
}

/// When a stream ends at the latest, and why.
#[derive(Clone, Copy, Debug)]
pub struct StreamEnd {
    pub at: Instant,
    pub reason: CloseReason,
}

/// The connection of a handed-off stream. The worker writes to it, and no HTTP server reads it any more.
pub struct Transport {
    /// Non-blocking.
    pub socket: TcpStream,
    /// The response's head, not written yet.
    pub head: Vec<u8>,
    pub framing: Framing,
    /// What the client has sent after its request.
    pub received: Vec<u8>,
}
