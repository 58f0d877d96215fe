//! Several instances are one service on one Redis, and stay right whatever happens to it. The service, Redis, its Cluster and
//! nginx are the real programs. Only LiveKit's API is scripted, so that the test knows who is inside.
//!
//! The rules on Redis are tested in `store`, with the contract that every store keeps.

mod clocks;
mod cluster;
mod connections;
mod errors;
mod feed;
mod figures;
mod fixture;
pub use fixture::instance;
mod fleet;
mod instances;
mod omitted;
mod outages;
mod refused_commands;
mod rooms_list;
mod sentinels;
mod tokens;
mod unavailable;
mod upgrade;
mod versions;
