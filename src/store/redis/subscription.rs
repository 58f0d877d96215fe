//! A connection of its own for subscriptions: by RESP3, or by RESP2 where Redis or a proxy before it refuses `HELLO 3`.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures_util::StreamExt;
use redis::{
    Client, Msg, ProtocolVersion, PushInfo, PushKind, RedisResult, Value,
    aio::{MultiplexedConnection, PubSubSink},
    cluster_async::ClusterConnection,
};
use tokio_util::task::AbortOnDropHandle;
use tracing::info;

use crate::redis_client::{Connector, OnPush, may_be_the_protocol};

/// A connection that subscribes. Cheap to clone.
#[derive(Clone)]
pub(super) enum Subscription {
    Resp3(MultiplexedConnection),
    Resp2 { sink: PubSubSink, _reading: Arc<AbortOnDropHandle<()>> },
    Cluster(ClusterConnection),
}

impl Subscription {
    /// Connects. `is_told` is whether the log says that Redis refuses RESP3.
    pub async fn connect(
        connector: &Connector,
        on_push: OnPush,
        is_told: &AtomicBool,
    ) -> RedisResult<Self> {
        if connector.finds_cluster().await? {
            return connector.cluster_with_pushes(on_push).await.map(Self::Cluster);
        }
        let error = match connector.plain_with_pushes(Arc::clone(&on_push)).await {
            Ok(connection) => {
                is_told.store(false, Ordering::Relaxed);
                return Ok(Self::Resp3(connection));
            }
            Err(error) => error,
        };
        if !may_be_the_protocol(&error) {
            return Err(error);
        }
        let client = connector.address().client(ProtocolVersion::RESP2).await?;
        let Ok(subscription) = Self::resp2(&client, on_push).await else {
            return Err(error);
        };
        if !is_told.swap(true, Ordering::Relaxed) {
            info!(%error, "Redis refuses HELLO 3, so changes are followed by RESP2");
        }
        Ok(subscription)
    }

    /// A connection by RESP2. With subscriptions it takes no other commands.
    async fn resp2(client: &Client, on_push: OnPush) -> RedisResult<Self> {
        let (sink, mut messages) = client.get_async_pubsub().await?.split();
        let reading = tokio::spawn(async move {
            while let Some(message) = messages.next().await {
                on_push(pushed(&message));
            }
            on_push(PushInfo { kind: PushKind::Disconnection, data: Vec::new() });
        });
        Ok(Self::Resp2 { sink, _reading: Arc::new(AbortOnDropHandle::new(reading)) })
    }

    pub fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// Subscribes, and returns once that is acknowledged. On a Cluster to one channel, since each has a slot of its own.
    pub async fn subscribe(&mut self, channels: &[String]) -> RedisResult<()> {
        match self {
            Self::Resp3(connection) => connection.subscribe(channels).await,
            Self::Resp2 { sink, .. } => sink.subscribe(channels).await,
            Self::Cluster(connection) => connection.ssubscribe(channels).await,
        }
    }

    pub async fn unsubscribe(&mut self, channels: &[String]) -> RedisResult<()> {
        match self {
            Self::Resp3(connection) => connection.unsubscribe(channels).await,
            Self::Resp2 { sink, .. } => sink.unsubscribe(channels).await,
            Self::Cluster(connection) => connection.sunsubscribe(channels).await,
        }
    }

    /// Whether the other end answers. A Cluster has several.
    pub async fn ping(&mut self) -> RedisResult<()> {
        match self {
            Self::Resp3(connection) => redis::cmd("PING").query_async(connection).await,
            Self::Resp2 { sink, .. } => sink.ping::<Value>().await.map(|_| ()),
            Self::Cluster(_) => Ok(()),
        }
    }
}

fn pushed(message: &Msg) -> PushInfo {
    let channel = Value::BulkString(message.get_channel_name().as_bytes().to_vec());
    let payload = Value::BulkString(message.get_payload_bytes().to_vec());
    PushInfo { kind: PushKind::Message, data: vec![channel, payload] }
}
