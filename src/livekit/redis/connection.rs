//! A connection on which Redis tells of changes to what was read (`CLIENT TRACKING`, RESP3), and commands that LiveKit's Redis is
//! asked. A user of Redis needs no other rights than these commands, and not all of these.

use futures_util::FutureExt;
use redis::{
    Cmd, FromRedisValue, RedisError, RedisResult, Value,
    aio::MultiplexedConnection,
    cluster_async::ClusterConnection,
    cluster_routing::{
        MultipleNodeRoutingInfo, Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr,
    },
    from_redis_value,
};

use crate::redis_client::{Connector, OnPush, may_be_the_protocol};

use super::{keys, lost::Lost};

/// A connection that tracks what is read on it. Cheap to clone.
#[derive(Clone)]
pub(super) enum Connection {
    Plain(MultiplexedConnection),
    /// It connects to its nodes again by itself. Tracking does not survive that, which [`Connection::marks`] shows.
    Cluster(ClusterConnection),
}

/// What stays the same while a connection is the same, and leads to the same server: ids that the servers gave to connections,
/// their roles, and which of them has which slots.
#[derive(Debug, PartialEq)]
pub(super) struct Marks(Vec<Value>);

impl Connection {
    /// Connects, and has Redis track what is read. Each call of `on_push` makes what takes the pushes of one connection.
    pub async fn connect(
        connector: &Connector,
        mut on_push: impl FnMut() -> OnPush,
    ) -> Result<(Self, Marks), Lost> {
        if !connector.is_cluster() {
            let mut connection = match connector.plain_with_pushes(on_push()).boxed().await {
                Ok(connection) => connection,
                Err(error) => return Err(without_resp3(connector, error).boxed().await),
            };
            let hello = Hello::ask(&mut connection).await?;
            if !hello.is_cluster() {
                hello.check_role()?;
                tracking().exec_async(&mut connection).await?;
                return Ok((Self::Plain(connection), hello.into_marks()));
            }
            connector.found_cluster();
        }
        connector.learn_names().await;
        let mut connection = connector.cluster_with_pushes(on_push()).boxed().await?;
        connector.learn_nodes(&mut connection).await;
        on_masters(&mut connection, tracking()).await?;
        let mut connection = Self::Cluster(connection);
        let marks = connection.marks().await?;
        Ok((connection, marks))
    }

    pub fn is_cluster(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Cluster(_) => true,
        }
    }

    /// Asks for what must not change. That is also how a connection shows that it still works.
    pub async fn marks(&mut self) -> RedisResult<Marks> {
        match self {
            Self::Plain(connection) => Ok(Hello::ask(connection).await?.into_marks()),
            Self::Cluster(connection) => {
                let ids = on_masters(connection, command(&["CLIENT", "ID"])).await?;
                // As each of them sees it, because each serves the slots that it believes to have.
                let slots = on_masters(connection, command(&["CLUSTER", "SLOTS"])).await?;
                Ok(Marks(vec![ids, slots]))
            }
        }
    }

    /// All fields of a hash.
    pub async fn all_fields(&mut self, key: &str) -> RedisResult<Fields> {
        self.read(Cmd::hgetall(key), key).await
    }

    /// A field of `rooms`.
    pub async fn room(&mut self, name: &str) -> RedisResult<Option<Vec<u8>>> {
        self.read(Cmd::hget(keys::ROOMS, name), keys::ROOMS).await
    }

    /// All fields of `nodes`.
    pub async fn nodes(&mut self) -> RedisResult<Fields> {
        self.read(Cmd::hgetall(keys::NODES), keys::NODES).await
    }

    /// Some fields of a hash, and where the next ones are; 0 if there are none. All fields that are there all the while come at
    /// least once.
    pub async fn some_fields(
        &mut self,
        key: &str,
        cursor: u64,
        count: usize,
    ) -> RedisResult<(u64, Fields)> {
        let mut scan = command(&["HSCAN", key]);
        scan.arg(cursor).arg("COUNT").arg(count);
        self.read(scan, key).await
    }

    /// The names of all rooms.
    pub async fn room_names(&mut self) -> RedisResult<Vec<Vec<u8>>> {
        self.read(Cmd::hkeys(keys::ROOMS), keys::ROOMS).await
    }

    /// How large a field of `rooms` is.
    pub async fn room_bytes(&mut self, name: &str) -> RedisResult<usize> {
        let mut command = command(&["HSTRLEN", keys::ROOMS]);
        command.arg(name);
        self.read(command, keys::ROOMS).await
    }

    /// About how large a key is: what it takes in Redis, which is some more than a reading brings. None if it does not exist.
    pub async fn bytes_of(&mut self, key: &str) -> RedisResult<Option<usize>> {
        let mut command = command(&["MEMORY", "USAGE"]);
        // Of each field, not of some.
        command.arg(key).arg("SAMPLES").arg(0);
        self.read(command, key).await
    }

    /// Reads what does not exist, in each way and from each kind of key, so that a right that is missing is told at once. Returns
    /// whether sizes may be asked, and pieces read.
    pub async fn check_rights(&mut self) -> RedisResult<Result<(), RedisError>> {
        let _: Fields = self.read(Cmd::hgetall(keys::NOBODY), keys::NOBODY).await?;
        self.room("").await?;
        match self.check_sparing_rights().await {
            Err(error) if error.is_unrecoverable_error() || error.is_timeout() => Err(error),
            checked => Ok(checked),
        }
    }

    async fn check_sparing_rights(&mut self) -> RedisResult<()> {
        self.bytes_of(keys::NOBODY).await?;
        self.some_fields(keys::NOBODY, 0, 1).await?;
        self.room_bytes("").await?;
        let nobody: Vec<Vec<u8>> = self.read(Cmd::hkeys(keys::NOBODY), keys::NOBODY).await?;
        drop(nobody);
        Ok(())
    }

    pub async fn version(&mut self) -> RedisResult<Option<String>> {
        self.read(Cmd::get(keys::VERSION), keys::VERSION).await
    }

    /// Reads a key, so that its next change is told.
    async fn read<T: FromRedisValue>(&mut self, command: Cmd, key: &str) -> RedisResult<T> {
        match self {
            Self::Plain(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => {
                // The node may have been connected again a moment ago, or be a new one. What is sent together goes over one
                // connection, so that nothing is read without being tracked.
                let mut both = redis::pipe();
                both.add_command(tracking()).add_command(command);
                let route = Route::with_key(key, SlotAddr::Master);
                let route = SingleNodeRoutingInfo::SpecificNode(route);
                let answers = connection.route_pipeline(both, 0, 2, route).await?;
                let answers = Value::Array(answers).extract_error()?;
                let (_, value): (Value, T) = from_redis_value(answers)?;
                Ok(value)
            }
        }
    }
}

/// The fields of a hash, each with its value.
pub(super) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Redis tells once of a change to a key that was read, and tells again once it was read again.
fn tracking() -> Cmd {
    command(&["CLIENT", "TRACKING", "ON"])
}

/// Why there is no connection by RESP3. Some proxies answer `HELLO` by closing the connection.
async fn without_resp3(connector: &Connector, error: RedisError) -> Lost {
    if may_be_the_protocol(&error)
        && let Ok(mut connection) = connector.plain().await
        && command(&["PING"]).exec_async(&mut connection).await.is_ok()
    {
        return Lost::OnlyResp2;
    }
    Lost::Failed(error)
}

/// What each master of a Cluster answers, in the order of their addresses.
async fn on_masters(connection: &mut ClusterConnection, command: Cmd) -> RedisResult<Value> {
    let masters = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
    let answers = connection.route_command(command, masters).await?.extract_error()?;
    let Value::Map(mut answers) = answers else { return Ok(answers) };
    answers.sort_by_key(|(node, _)| from_redis_value::<String>(node.clone()).unwrap_or_default());
    Value::Map(answers).extract_error()
}

fn command(words: &[&str]) -> Cmd {
    let mut command = Cmd::new();
    for word in words {
        command.arg(*word);
    }
    command
}

/// What one Redis says of itself and of the connection.
struct Hello {
    fields: Vec<(String, Value)>,
}

impl Hello {
    /// Redis 6.0 wants the number of the protocol, which is the one that the connection has already.
    async fn ask(connection: &mut MultiplexedConnection) -> RedisResult<Self> {
        let fields = command(&["HELLO", "3"]).query_async(connection).await?;
        Ok(Self { fields })
    }

    fn text(&self, name: &str) -> Option<String> {
        let (_, value) = self.fields.iter().find(|(field, _)| field == name)?;
        from_redis_value(value.clone()).ok()
    }

    fn is_cluster(&self) -> bool {
        self.text("mode").as_deref() == Some("cluster")
    }

    /// A replica may be late, and a list that is older than the time at which it was asked for takes people away who are there.
    fn check_role(&self) -> Result<(), Lost> {
        match self.text("role").as_deref() {
            Some("slave" | "replica") => Err(Lost::Replica),
            _ => Ok(()),
        }
    }

    fn into_marks(self) -> Marks {
        let kept = ["id", "role", "mode"];
        let fields = self.fields.into_iter().filter(|(name, _)| kept.contains(&name.as_str()));
        Marks(fields.map(|(_, value)| value).collect())
    }
}
