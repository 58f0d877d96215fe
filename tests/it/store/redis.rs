//! What is the Redis store's own.

use std::sync::Arc;

use livekit_presence::{
    clock::Clock,
    presence::Rules,
    store::{RedisAddress, RedisMetrics, RedisSettings, RedisStore, Store},
};

use crate::harness::RedisServer;

/// A store on a server of its own.
pub async fn redis_store() -> (Arc<dyn Store>, RedisServer) {
    let server = RedisServer::start().await;
    (Arc::new(store_on(&server, None)), server)
}

pub fn store_on(server: &RedisServer, clock: Option<Clock>) -> RedisStore {
    let settings = RedisSettings {
        address: RedisAddress::parse(&server.url()).unwrap(),
        key_prefix: "lkp:".to_owned(),
        clock,
    };
    RedisStore::start(&settings, Rules::default(), RedisMetrics::default()).0
}
