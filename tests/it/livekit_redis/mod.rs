//! LiveKit's own Redis, read as it changes: what is told, when, and what happens when the connection, a server or a right is missing.
//! Redis, its Cluster and its Sentinels are the real programs; the test writes what LiveKit writes.

mod changes;
mod cluster;
mod fallback;
mod fixture;
mod large;
mod layout;
mod losses;
mod rights;
mod sentinels;
mod service;

pub use fixture::acl_without_nodes;
