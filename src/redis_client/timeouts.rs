//! How long Redis may take, and the settings of connections that follow from it.

use std::time::Duration;

use redis::{AsyncConnectionConfig, RedisError};

/// A connection must be ready within this time, including TLS and authentication.
pub(crate) const CONNECT: Duration = Duration::from_secs(2);
/// An answer must be there within this time, because webhooks are answered within four seconds whatever happens.
pub(crate) const ANSWER: Duration = Duration::from_millis(2_500);

pub(crate) fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(ANSWER))
}

pub(crate) fn no_answer() -> RedisError {
    std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time").into()
}
