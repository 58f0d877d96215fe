//! The Redis of a LiveKit, into which a test writes what LiveKit keeps there.

use redis::aio::MultiplexedConnection;

use super::{
    RedisServer, WebhookBody,
    livekit::EPOCH_MS,
    livekits_messages::{kept_person, kept_room},
};

/// A running Redis, and a connection of LiveKit's.
pub struct LiveKitsRedis {
    pub server: RedisServer,
    connection: MultiplexedConnection,
}

impl LiveKitsRedis {
    /// Starts a Redis that a LiveKit 1.13.5 uses.
    pub async fn start() -> Self {
        let server = RedisServer::start().await;
        let connection = connect(&server).await;
        let mut redis = Self { server, connection };
        redis.moves_in().await;
        redis
    }

    async fn moves_in(&mut self) {
        self.run(redis::cmd("SET").arg("livekit_version").arg("1.13.5")).await;
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

async fn connect(server: &RedisServer) -> MultiplexedConnection {
    let client = redis::Client::open(server.url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}
