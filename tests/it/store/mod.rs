//! The contract that every store keeps, and what only one of them does.

mod bans;
pub mod contract;
mod event_contents;
mod event_log;
pub mod events;
mod memory;
mod metadata;
mod model;
mod outbox;
mod redis;
mod redis_outbox;
mod rooms_feed;
mod shared_redis;
mod turns;
pub mod webhooks;

use std::sync::Arc;

use livekit_presence::{
    clock::Clock,
    presence::Rules,
    store::{EventLogSettings, MemoryStore, Outbox, Store},
};

use self::redis::{redis_store, redis_store_keeping_history, redis_store_of_events};

/// A new embedded store.
#[expect(clippy::unused_async, reason = "the contract awaits how a store is made, whichever it is")]
async fn memory_store() -> (Arc<dyn Store>, ()) {
    (Arc::new(MemoryStore::new(Rules::default(), Clock::system())), ())
}

/// A new embedded store that keeps few events.
#[expect(clippy::unused_async, reason = "the contract awaits how a store is made, whichever it is")]
async fn memory_store_of_events() -> (Arc<dyn Store>, ()) {
    let settings = EventLogSettings { keep: events::KEEP, max: events::MAX_EVENTS };
    (Arc::new(MemoryStore::with_log(Rules::default(), Clock::system(), settings)), ())
}

/// A new embedded store, and its outbox.
#[expect(clippy::unused_async, reason = "the contract awaits how a store is made, whichever it is")]
async fn memory_store_keeping_history() -> (Arc<dyn Store>, Arc<dyn Outbox>, ()) {
    let store = MemoryStore::new(Rules::default(), Clock::system());
    let (store, outbox) = store.keeping_history(outbox::SETTINGS);
    (Arc::new(store), outbox, ())
}

outbox::suite!(memory_outbox, super::memory_store_keeping_history());
outbox::suite!(redis_outbox_contract, super::redis_store_keeping_history());
events::suite!(memory_events, super::memory_store_of_events());
events::suite!(redis_events, super::redis_store_of_events());
contract::suite!(memory_contract, super::memory_store());
contract::suite!(redis_contract, super::redis_store());
bans::suite!(memory_bans, super::memory_store());
bans::suite!(redis_bans, super::redis_store());
metadata::suite!(memory_metadata, super::memory_store());
metadata::suite!(redis_metadata, super::redis_store());
