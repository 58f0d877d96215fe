//! How LiveKit's Redis is reached, and how much may be read of it.

use crate::redis_client::RedisAddress;

/// Where LiveKit's Redis is.
#[derive(Clone, Debug)]
pub struct LiveKitRedisSettings {
    pub address: RedisAddress,
    /// What all rooms together may be read a second. Whoever reads keeps it; here it is only handed on.
    pub bytes_per_second: u64,
}
