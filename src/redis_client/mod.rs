//! Redis, as every layer that uses it reaches it: addresses, connections, the nodes of a Cluster, sentinels, time limits.
//!
//! Names no key and sends no command but those that connecting needs. `store` and `livekit` say what is asked.

mod address;
mod announced;
mod connector;
mod moved;
mod node_names;
mod nodes;
mod outage_log;
mod sentinel;
mod timeouts;

pub use address::RedisAddress;
pub(crate) use connector::{Connector, OnPush, may_be_the_protocol};
pub(crate) use moved::{is_elsewhere, is_no_master};
pub(crate) use outage_log::OutageLog;
pub(crate) use timeouts::{ANSWER, CONNECT, no_answer};
