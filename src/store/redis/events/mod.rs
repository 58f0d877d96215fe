//! The log of events in Redis. A step's entries are written with it, in the same script, into an outbox of its bucket. The instance
//! then moves them into the log, which all instances follow. What an instance leaves in an outbox, another one moves.
//!
//! While nobody follows, a step asks whether it is logged, and nothing else is done.

mod log;
mod message;
mod outbox;
mod read;
mod subscribed;
mod tending;

pub(super) use log::RedisEvents;
pub(super) use subscribed::SubscribedEvents;
