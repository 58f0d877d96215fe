//! Where rooms are kept, and what instances share: in this process, or in Redis.

use std::{path::Path, sync::Arc};

use prometheus_client::registry::Registry;

use crate::{
    clock::Clock,
    config::Config,
    coordination::{Peers, SingleInstance},
    redis_client::RedisAddress,
    store::{
        EventLogSettings, MemoryStore, MeteredStore, Outbox, RedisMetrics, RedisSettings,
        RedisStore, Store, StoreMetrics,
    },
};

use super::assembly::StartError;

/// The store, and what comes with it.
#[derive(Clone)]
pub(super) struct Kept {
    pub store: Arc<dyn Store>,
    pub peers: Arc<dyn Peers>,
    /// Where its steps leave what they add to the history, if one is kept.
    pub outbox: Option<Arc<dyn Outbox>>,
}

impl Kept {
    /// The same, with what the store does counted.
    pub fn metered(self, registry: &mut Registry) -> Self {
        let store = MeteredStore::new(self.store, StoreMetrics::register(registry));
        Self { store: Arc::new(store), ..self }
    }

    /// In this process.
    pub fn in_memory(config: &Config, clock: &Clock) -> Kept {
        let store = MemoryStore::with_log(config.rules(), clock.clone(), events_of(config));
        let peers = Arc::new(SingleInstance::default());
        match config.history.outbox() {
            None => Kept { store: Arc::new(store), peers, outbox: None },
            Some(settings) => {
                let (store, outbox) = store.keeping_history(settings);
                Kept { store: Arc::new(store), peers, outbox: Some(outbox) }
            }
        }
    }

    /// # Errors
    /// The file with authorities cannot be read.
    pub fn in_redis(
        config: &Config,
        address: RedisAddress,
        registry: &mut Registry,
    ) -> Result<Kept, StartError> {
        let settings = RedisSettings {
            address: address.with_authority(read_authority(config.store.ca_file.as_deref())?),
            key_prefix: config.store.key_prefix.clone(),
            events: events_of(config),
            history: config.history.outbox(),
            clock: None,
        };
        let metrics = RedisMetrics::register(registry);
        let (store, peers) = RedisStore::start(&settings, config.rules(), metrics);
        let outbox = store.outbox();
        Ok(Kept { store: Arc::new(store), peers: Arc::new(peers), outbox })
    }
}

fn read_authority(file: Option<&Path>) -> Result<Option<Vec<u8>>, StartError> {
    let read = file.map(std::fs::read).transpose();
    read.map_err(|error| StartError::CaFile { key: "store.ca_file", error })
}

fn events_of(config: &Config) -> EventLogSettings {
    EventLogSettings { keep: config.events.keep, max: config.events.max }
}
