//! The contract that every store keeps, and what only one of them does.

pub mod contract;
mod memory;
mod model;
mod redis;
mod shared_redis;

use std::sync::Arc;

use livekit_presence::{
    clock::Clock,
    presence::Rules,
    store::{MemoryStore, Store},
};

use self::redis::redis_store;

/// A new embedded store.
#[expect(clippy::unused_async, reason = "the contract awaits how a store is made, whichever it is")]
async fn memory_store() -> (Arc<dyn Store>, ()) {
    (Arc::new(MemoryStore::new(Rules::default(), Clock::system())), ())
}

contract::suite!(memory_contract, super::memory_store());
contract::suite!(redis_contract, super::redis_store());
