//! An instance of the service.

use crate::harness::{Process, RedisServer};

use super::livekit_server::Key;

/// What every instance is told.
pub struct ServiceSettings {
    livekit_port: u16,
    /// Whether it has a database.
    roster: bool,
    redis: Option<Redis>,
}

/// The Redis of LiveKit, and the one of the service.
struct Redis {
    livekits_url: String,
    store: RedisServer,
}

impl ServiceSettings {
    /// Has instances read LiveKit's Redis, if its address is given. Then they share a store in another one.
    pub async fn new(livekit_port: u16, roster: bool, livekits_redis: Option<String>) -> Self {
        let redis = match livekits_redis {
            Some(livekits_url) => Some(Redis { livekits_url, store: RedisServer::start().await }),
            None => None,
        };
        Self { livekit_port, roster, redis }
    }

    /// Starts an instance.
    pub async fn start(&self, port: u16) -> Process {
        let level = "info,livekit_presence=debug,livekit_presence::http::request_id=info";
        let mut variables = vec![
            ("HISTORY_URL", if self.roster { "sqlite::memory:" } else { "" }.to_owned()),
            ("LIVEKIT_KEYS", Key::lines()),
            ("LIVEKIT_URL", format!("ws://127.0.0.1:{}", self.livekit_port)),
            ("LKP__HTTP__BIND", format!("127.0.0.1:{port}")),
            ("LKP__LOG__LEVEL", level.to_owned()),
        ];
        if let Some(Redis { livekits_url, store }) = &self.redis {
            variables.push(("LIVEKIT_REDIS_URL", livekits_url.clone()));
            variables.push(("REDIS_URL", store.url()));
        }
        let variables: Vec<_> = variables.iter().map(|(name, text)| (*name, &**text)).collect();
        Process::start(&variables).await
    }
}
