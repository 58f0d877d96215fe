//! The keys `livekit.redis_…`: LiveKit's own Redis.

use std::path::PathBuf;

use crate::redis_client::RedisAddress;

use super::{
    store::StoreConfig,
    values::{Values, optional_text, whole_number},
};

const URL: &str = "livekit.redis_url";
const CA_FILE: &str = "livekit.redis_ca_file";
/// Instead of an address: that of the store.
const SAME: &str = "store";
/// With less, a room of some hundred people would take minutes to read.
const MIN_BYTES_PER_SECOND: u32 = 65_536;

/// LiveKit's own Redis.
#[derive(Clone, Debug)]
pub struct LiveKitRedisConfig {
    pub address: RedisAddress,
    /// A file with authorities, and the key that names it.
    pub ca_file: Option<(&'static str, PathBuf)>,
    /// What all rooms together may be read a second.
    pub bytes_per_second: u32,
}

impl LiveKitRedisConfig {
    /// None if LiveKit's Redis is not configured.
    pub(super) fn take(values: &mut Values, has_api: bool, store: &StoreConfig) -> Option<Self> {
        let own_file = values.take(CA_FILE, optional_text).map(PathBuf::from);
        let bytes_per_second = values
            .take("livekit.redis_bytes_per_second", whole_number(MIN_BYTES_PER_SECOND..=u32::MAX));
        let url = values.take(URL, optional_text)?;
        if !has_api {
            values.reject(
                URL,
                "needs `livekit.url` (LIVEKIT_URL) too: LiveKit's Redis goes on naming people after a crash, and only LiveKit's API says who of them still lives",
            );
        }
        let (address, ca_file) = if url == SAME {
            if own_file.is_some() {
                values.reject(
                    CA_FILE,
                    format!("is of no use while `{URL}` is \"{SAME}\"; set `store.ca_file`"),
                );
            }
            let ca_file = store.ca_file.clone().map(|file| ("store.ca_file", file));
            (store_address(values, store)?, ca_file)
        } else {
            let address = RedisAddress::parse(&url);
            let problem = |problem| values.reject(URL, format!("{problem}, or \"{SAME}\""));
            (address.map_err(problem).ok()?, own_file.map(|file| (CA_FILE, file)))
        };
        Some(Self { address, ca_file, bytes_per_second })
    }
}

fn store_address(values: &mut Values, store: &StoreConfig) -> Option<RedisAddress> {
    // A wrong address is told already.
    if store.redis.is_none() && !values.errors.iter().any(|error| error.key == "store.redis_url") {
        values.reject(
            URL,
            format!("is \"{SAME}\", but `store.redis_url` (REDIS_URL) is empty; set that, or write the address of LiveKit's Redis here"),
        );
    }
    store.redis.clone()
}
