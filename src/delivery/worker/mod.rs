//! One worker: a thread that owns sockets and writes frames to them.
//!
//! `state` is what the worker has. `event_loop` waits for its inputs: handed-off connections (`adoption`), changed rooms
//! (`fan_out`), heartbeats that are due (`heartbeats`), sockets that take more (`backpressure`), and deadlines (`endings`).

mod adoption;
mod backpressure;
mod endings;
mod event_loop;
mod fan_out;
mod heartbeats;
mod state;

pub(super) use event_loop::WAKE;
pub(super) use state::Worker;
