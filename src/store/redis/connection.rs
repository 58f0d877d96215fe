//! A connection for commands, to one Redis or to a Cluster.

use futures_util::FutureExt;
use redis::{
    Cmd, Pipeline, RedisFuture, RedisResult, Value, aio::ConnectionLike,
    cluster_async::ClusterConnection,
};

use crate::redis_client::Connector;

use super::batches::Batches;

/// A connection to one Redis or to a Cluster. It is cheap to clone, and the calls of all clones go out together.
#[derive(Clone)]
pub(super) struct Connection {
    /// Which of the connections of a link it is.
    pub generation: u64,
    pub server: Server,
}

/// What a connection leads to.
#[derive(Clone)]
pub(super) enum Server {
    Plain(Batches),
    Cluster(ClusterConnection),
}

impl Server {
    pub async fn connect(connector: &Connector) -> RedisResult<Self> {
        if connector.finds_cluster().await? {
            let mut connection = connector.cluster().await?;
            connector.learn_nodes(&mut connection).await;
            return Ok(Self::Cluster(connection));
        }
        Ok(Self::Plain(Batches::new(connector.plain().await?)))
    }
}

impl Connection {
    pub fn is_cluster(&self) -> bool {
        matches!(self.server, Server::Cluster(_))
    }

    /// The shards of a Cluster have channels of their own.
    pub fn publish_command(&self) -> &'static [u8] {
        if self.is_cluster() { b"SPUBLISH" } else { b"PUBLISH" }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match &mut self.server {
            Server::Plain(connection) => connection.send(cmd).boxed(),
            Server::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match &mut self.server {
            Server::Plain(connection) => {
                connection.connection().req_packed_commands(pipeline, offset, count)
            }
            Server::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match &self.server {
            Server::Plain(connection) => connection.db(),
            Server::Cluster(connection) => connection.get_db(),
        }
    }
}
