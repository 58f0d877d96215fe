//! The contract of a store, kept by every one of them.

mod contract;

use std::sync::Arc;

use livekit_presence::{
    clock::Clock,
    presence::Rules,
    store::{MemoryStore, Store},
};

mod memory;

/// A fresh store that nobody else uses.
fn memory_store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(Rules::default(), Clock::system()))
}

contract::suite!(memory_contract, super::memory_store());
