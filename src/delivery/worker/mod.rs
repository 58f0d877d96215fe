//! One worker: owns sockets and writes frames to them, on a thread of its own or on that of others who have something for it.
//!
//! `state` is what the worker has. `event_loop` waits for its inputs, and shares the worker: handed-off connections (`adoption`), changed rooms
//! (`fan_out`), what clients send (`input`), heartbeats that are due (`heartbeats`), sockets that take more (`backpressure`), and
//! deadlines (`endings`). `watching` is which topics a connection watches.

mod adoption;
mod backpressure;
mod endings;
mod event_loop;
mod fan_out;
mod heartbeats;
mod input;
mod state;
mod watching;

pub(super) use event_loop::{SharedWorker, WAKE};
pub(super) use state::Worker;
