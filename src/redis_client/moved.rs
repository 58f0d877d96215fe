//! Errors that say that another server is the one to ask.

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Whether a node of a Cluster sent us to another one.
pub(crate) fn is_elsewhere(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask))
}

/// Whether the server is not a master, or a replica without one. A master that becomes a replica keeps its connections.
pub(crate) fn is_no_master(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)
    )
}
