//! The table `[store]`: where rooms are kept.

use std::path::PathBuf;

use config::Value;

use crate::redis_client::RedisAddress;

use super::values::{Values, optional_text, text};

/// The longest prefix of a key in Redis, in bytes.
const MAX_PREFIX_BYTES: usize = 64;

/// Where rooms are kept.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// None: in this process.
    pub redis: Option<RedisAddress>,
    pub key_prefix: String,
    pub ca_file: Option<PathBuf>,
}

impl StoreConfig {
    pub(super) fn take(values: &mut Values) -> Self {
        Self {
            redis: take_redis(values),
            key_prefix: values.take("store.key_prefix", key_prefix),
            ca_file: values.take("store.ca_file", optional_text).map(PathBuf::from),
        }
    }
}

fn take_redis(values: &mut Values) -> Option<RedisAddress> {
    let address = values.take("store.redis_url", optional_text)?;
    let address = RedisAddress::parse(&address);
    address.map_err(|problem| values.reject("store.redis_url", problem)).ok()
}

fn key_prefix(value: &Value) -> Result<String, String> {
    let prefix = text(value)?;
    if prefix.contains(['{', '}']) {
        return Err(format!(
            "{prefix:?} has braces, which would spread a room over a Cluster; leave them out"
        ));
    }
    if prefix.len() > MAX_PREFIX_BYTES || prefix.contains(char::is_control) {
        return Err(format!(
            "must have at most {MAX_PREFIX_BYTES} bytes and no control characters"
        ));
    }
    Ok(prefix)
}
