//! The Redis in which a scenario's LiveKit keeps its rooms, and how LiveKit and the service reach it.

use serde_json::{Value, json};

use crate::harness::{RedisSentinels, RedisServer, TcpProxy, url_of};

use super::Plan;

/// None of it where LiveKit keeps its rooms in memory.
#[derive(Default)]
pub struct Redises {
    pub server: Option<RedisServer>,
    /// Between the service and the server, where a test breaks that.
    pub link: Option<TcpProxy>,
    /// In the place of the one server.
    pub sentinels: Option<RedisSentinels>,
}

impl Redises {
    pub async fn start(plan: &Plan) -> Self {
        if plan.sentinels {
            return Self { sentinels: Some(RedisSentinels::start().await), ..Self::default() };
        }
        if !plan.redis {
            return Self::default();
        }
        if !plan.breaks_redis {
            return Self { server: Some(RedisServer::start().await), ..Self::default() };
        }
        let server = RedisServer::keeping_data().await;
        let link = TcpProxy::start(server.port).await;
        Self { server: Some(server), link: Some(link), sentinels: None }
    }

    /// What LiveKit's configuration has about it.
    pub fn for_livekit(&self) -> Option<Value> {
        if let Some(sentinels) = &self.sentinels {
            return Some(json!({
                "sentinel_master_name": RedisSentinels::SERVICE,
                "sentinel_addresses": sentinels.addresses(),
            }));
        }
        let server = self.server.as_ref()?;
        Some(json!({"address": format!("127.0.0.1:{}", server.port)}))
    }

    /// The address where the service reads it.
    pub fn url(&self) -> Option<String> {
        if let Some(sentinels) = &self.sentinels {
            return Some(sentinels.url());
        }
        let port = self.link.as_ref().map(|link| link.port);
        port.or(self.server.as_ref().map(|server| server.port)).map(url_of)
    }
}
