//! The last step to the browsers: a few workers, which own their sockets and write frames to them.
//!
//! A connection here is a socket, the rooms it watches, and the version of each that it was last sent. It has no task, no timer
//! and no queue; a frame costs it one `write`. When a connection arrives here, its request has been read, and the head of its
//! response comes with it.
//!
//! A WebSocket's client also sends messages: the worker reads them, and `client_messages` carries them to the code that
//! understands them.
//!
//! `workers` starts the threads and chooses one for each `handoff`; an `inbox` carries it there; `worker` serves it.

mod client_messages;
mod close_reason;
mod config;
mod connection;
mod handoff;
mod inbox;
mod metrics;
mod permit;
mod pinned;
mod watched_room;
mod web_socket;
mod wheel;
mod worker;
mod workers;

pub use client_messages::{ClientMessages, OnPermit, Reply, ReplyTo};
pub use close_reason::CloseReason;
pub use config::DeliveryConfig;
pub use handoff::{Handoff, HandoffWatch, StreamEnd, Transport};
pub use metrics::DeliveryMetrics;
pub use permit::{Permit, PermitIssuer};
pub use pinned::{CutOff, Pin, Pinned};
pub use workers::Workers;
