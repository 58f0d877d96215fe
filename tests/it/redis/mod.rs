//! Several instances are one service on one Redis, and stay right whatever happens to it. The service is the real program, so
//! are Redis, its Cluster and nginx; only LiveKit's API is scripted, so that it is known who is inside.
//!
//! The rules on Redis are tested in `store`, by the suite that every store passes.

mod clocks;
mod cluster;
mod connections;
mod errors;
mod fixture;
mod fleet;
mod instances;
mod omitted;
mod outages;
mod refused_commands;
mod sentinels;
mod unavailable;
mod upgrade;
mod versions;
