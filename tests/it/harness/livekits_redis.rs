//! The Redis of a LiveKit, into which a test writes what LiveKit keeps there.

use std::{collections::HashMap, time::Duration};

use redis::aio::MultiplexedConnection;
use tokio_util::task::AbortOnDropHandle;

use super::{
    RedisServer, WebhookBody,
    livekit::EPOCH_MS,
    livekits_messages::{kept_person, kept_room},
};

/// How often each of LiveKit's servers writes that it runs.
const WRITES_EVERY: Duration = Duration::from_millis(500);

/// A running Redis, a connection of LiveKit's, and its servers, which write that they run.
pub struct LiveKitsRedis {
    pub server: RedisServer,
    connection: MultiplexedConnection,
    nodes: HashMap<String, AbortOnDropHandle<()>>,
}

impl LiveKitsRedis {
    /// Starts a Redis that a LiveKit 1.13.5 uses, whose only server is `ND_1`.
    pub async fn start() -> Self {
        let server = RedisServer::start().await;
        let connection = connect(&server).await;
        let mut redis = Self { server, connection, nodes: HashMap::new() };
        redis.moves_in().await;
        redis.add_node("ND_1");
        redis
    }

    async fn moves_in(&mut self) {
        self.run(redis::cmd("SET").arg("livekit_version").arg("1.13.5")).await;
    }

    /// Starts a server.
    pub fn add_node(&mut self, id: &str) {
        let writing = tokio::spawn(go_on_writing(self.server.url(), id.to_owned()));
        self.nodes.insert(id.to_owned(), AbortOnDropHandle::new(writing));
    }

    /// Kills a server: it writes no more.
    pub fn crash_node(&mut self, id: &str) {
        drop(self.nodes.remove(id).expect("it runs"));
    }

    /// Another server that starts has taken out one that crashed.
    pub async fn take_node_out(&mut self, id: &str) {
        self.run(redis::cmd("HDEL").arg("nodes").arg(id)).await;
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Kills it.
    pub async fn kill(&mut self) {
        self.server.kill().await;
    }

    /// Starts it again. LiveKit writes its version, and nothing else.
    pub async fn start_again(&mut self) {
        self.server.start_again().await;
        self.connection = connect(&self.server).await;
        self.moves_in().await;
    }

    /// Keeps these people in a room, as their webhooks describe them.
    pub async fn put(&mut self, room: &str, people: &[WebhookBody]) {
        let key = format!("room_participants:{room}");
        let mut written = redis::pipe();
        written.cmd("HSET").arg("rooms").arg(room).arg(kept_room(
            room,
            &format!("RM_{room}"),
            "",
            0,
        ));
        for person in people {
            let person = &person.0["participant"];
            written.cmd("HSET").arg(&key).arg(person["identity"].as_str().unwrap());
            written.arg(kept_person(person));
        }
        written.exec_async(&mut self.connection).await.unwrap();
    }

    /// Keeps this metadata of a room, as `UpdateRoomMetadata` has it kept, of the life that webhooks with `room_metadata` tell of.
    pub async fn describe(&mut self, room: &str, metadata: &str) {
        let created_at = i64::try_from(EPOCH_MS - 5_000).unwrap();
        let object = kept_room(room, &format!("RM_{room}"), metadata, created_at);
        self.run(redis::cmd("HSET").arg("rooms").arg(room).arg(object)).await;
    }

    /// Keeps a value of somebody that is no message.
    pub async fn spoil(&mut self, room: &str, identity: &str) {
        let key = format!("room_participants:{room}");
        self.run(redis::cmd("HSET").arg(key).arg(identity).arg(&b"\xff\xff\xff"[..])).await;
    }

    /// Keeps somebody no longer.
    pub async fn take(&mut self, room: &str, identity: &str) {
        let key = format!("room_participants:{room}");
        self.run(redis::cmd("HDEL").arg(key).arg(identity)).await;
    }

    async fn run(&mut self, command: &redis::Cmd) {
        command.exec_async(&mut self.connection).await.unwrap();
    }
}

async fn go_on_writing(url: String, id: String) {
    let client = redis::Client::open(url).unwrap();
    for number in 0_u64.. {
        // Redis may be gone for a while.
        if let Ok(mut connection) = client.get_multiplexed_async_connection().await {
            let write = redis::cmd("HSET").arg("nodes").arg(&id).arg(number).to_owned();
            let _ = write.exec_async(&mut connection).await;
        }
        tokio::time::sleep(WRITES_EVERY).await;
    }
}

async fn connect(server: &RedisServer) -> MultiplexedConnection {
    let client = redis::Client::open(server.url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}
