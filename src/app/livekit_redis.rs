//! LiveKit's own Redis, where it is configured.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use crate::{
    config::Config,
    livekit::redis::{LiveKitRedis, LiveKitRedisMetrics, LiveKitRedisSettings},
};

use super::assembly::StartError;

/// Connects in the background. The metrics are there without it too, since `livekit_redis_up` says that it is not followed.
///
/// # Errors
/// The file with authorities cannot be read.
pub(super) fn start_livekit_redis(
    config: &Config,
    registry: &mut Registry,
) -> Result<Option<Arc<LiveKitRedis>>, StartError> {
    let metrics = LiveKitRedisMetrics::register(registry);
    let Some(redis) = &config.livekit.redis else { return Ok(None) };
    let authority = match &redis.ca_file {
        None => None,
        Some((key, file)) => {
            Some(std::fs::read(file).map_err(|error| StartError::CaFile { key, error })?)
        }
    };
    let settings = LiveKitRedisSettings {
        address: redis.address.clone().with_authority(authority),
        bytes_per_second: redis.bytes_per_second.into(),
    };
    Ok(Some(LiveKitRedis::start(settings, metrics)))
}
