//! How LiveKit's Redis is reached, and how much may be read of it.

use crate::redis_client::RedisAddress;

/// Where LiveKit's Redis is.
#[derive(Clone, Debug)]
pub struct LiveKitRedisSettings {
    pub address: RedisAddress,
    /// What all readings together may bring a second.
    pub bytes_per_second: u64,
}
