//! Looks at LiveKit's Redis once, for those who ask what is wrong with it.

use std::sync::Arc;

use crate::redis_client::{Connector, OnPush, RedisAddress};

use super::{
    connection::Connection,
    lost::{Lost, told},
};

/// What was seen.
#[derive(Debug)]
pub struct KeptByLiveKit {
    /// The version of the newest LiveKit that ever used it; none if none did.
    pub version: Option<String>,
    /// How many servers of LiveKit it knows; an error where `nodes` may not be read.
    pub servers: Result<usize, String>,
    /// Whether sizes may be asked, and pieces read.
    pub spares: Result<(), String>,
}

/// Looks at the Redis of an address, by the commands with which it is followed.
///
/// # Errors
/// It cannot be followed. Says why, and where that is known, what to do.
pub async fn examine(address: RedisAddress) -> Result<KeptByLiveKit, String> {
    look(address).await.map_err(|lost| lost.to_string())
}

async fn look(address: RedisAddress) -> Result<KeptByLiveKit, Lost> {
    let connector = Connector::new(address);
    let ignoring = || -> OnPush { Arc::new(|_| ()) };
    let (mut connection, _) = Connection::connect(&connector, ignoring).await?;
    let spares = connection.check_rights().await?;
    let version = connection.version().await?;
    let servers = connection.nodes().await;
    Ok(KeptByLiveKit {
        version,
        servers: servers.map(|servers| servers.len()).map_err(|error| told(&error)),
        spares: spares.map_err(|error| told(&error)),
    })
}
