//! A connection of its own for subscriptions: by RESP3, or by RESP2 where Redis or a proxy before it refuses `HELLO 3`.

use std::sync::Arc;

use futures_util::StreamExt;
use redis::{
    Client, Msg, PushInfo, PushKind, RedisError, RedisResult, Value,
    aio::{MultiplexedConnection, PubSubSink},
    cluster_async::ClusterConnection,
};
use tokio_util::task::AbortOnDropHandle;

/// Takes what Redis pushes. Must not wait.
pub(super) type OnPush = Arc<dyn Fn(PushInfo) + Send + Sync>;

/// A connection that subscribes. Cheap to clone.
#[derive(Clone)]
pub(super) enum Subscription {
    Resp3(MultiplexedConnection),
    Resp2 { sink: PubSubSink, _reading: Arc<AbortOnDropHandle<()>> },
    Cluster(ClusterConnection),
}

impl Subscription {
    /// A connection by RESP2. With subscriptions it takes no other commands.
    pub async fn resp2(client: &Client, on_push: OnPush) -> RedisResult<Self> {
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

/// Whether RESP2 may work where RESP3 failed with this error. Some proxies answer `HELLO` by closing the connection.
pub(super) fn may_be_the_protocol(error: &RedisError) -> bool {
    !error.is_timeout() && !error.is_connection_refusal()
}

fn pushed(message: &Msg) -> PushInfo {
    let channel = Value::BulkString(message.get_channel_name().as_bytes().to_vec());
    let payload = Value::BulkString(message.get_payload_bytes().to_vec());
    PushInfo { kind: PushKind::Message, data: vec![channel, payload] }
}
