//! Everything that is tested from outside. One binary, so that it links once.

mod captures;
mod client;
mod delivery;
mod docs;
mod harness;
mod http;
mod page;
mod process;
mod proxies;
mod real;
mod reconcile;
mod redis;
mod replay;
mod rules;
mod store;
mod stress;
