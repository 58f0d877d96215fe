//! The outbox of the history in Redis. A step's item is written with it, in the same script, into a stream of its bucket, where it
//! lies until the history has it, whatever becomes of the instance that wrote it.
//!
//! While no history is configured, a step has no item, and nothing of this is done.

mod item;
mod known_items;
mod outbox;
mod waiting;

pub(super) use item::{NewItem, Noted, stream_id};
pub(super) use outbox::RedisOutbox;
