//! A real Redis that can be paused, killed and started again.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    process::Stdio,
};

use livekit_presence::{
    clock::Clock,
    presence::Rules,
    redis_client::RedisAddress,
    store::{
        EventLogSettings, OutboxSettings, RedisMetrics, RedisPeers, RedisSettings, RedisStore,
    },
};
use tokio::process::Command;

use super::{Child, Folder, Reply, eventually, free_port, patiently, resp};

const TLS_FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/");

/// A server that keeps its port when it is killed and started again. Ends with the test, and so do its files.
pub struct RedisServer {
    pub port: u16,
    /// The port where it speaks TLS; zero for a server without.
    pub tls_port: u16,
    program: PathBuf,
    arguments: Vec<String>,
    password: Option<String>,
    folder: Folder,
    running: Option<Child>,
}

impl RedisServer {
    /// Starts a server that keeps nothing on disk, and waits until it answers.
    pub async fn start() -> Self {
        Self::with(&["--appendonly", "no"]).await
    }

    /// Starts a server that keeps on disk what it acknowledges.
    pub async fn keeping_data() -> Self {
        Self::with(&["--appendonly", "yes", "--appendfsync", "always"]).await
    }

    /// Starts a server with a password.
    pub async fn with_password(password: &str) -> Self {
        let mut redis = Self::new("redis-server".as_ref(), &["--requirepass", password]);
        redis.password = Some(password.to_owned());
        redis.start_again().await;
        redis
    }

    /// Starts a server that also speaks TLS, with a certificate for `localhost` and 127.0.0.1.
    pub async fn with_tls() -> Self {
        Self::with_certificate(["localhost.pem", "localhost-key.pem", "ca.pem"], &[]).await
    }

    /// Starts a server that also speaks TLS, to clients and to other nodes, with a certificate for `localhost` alone.
    pub async fn with_tls_in_cluster(arguments: &[&str]) -> Self {
        let files = ["cluster.pem", "cluster-key.pem", "cluster-ca.pem"];
        Self::with_certificate(files, arguments).await
    }

    async fn with_certificate(files: [&str; 3], arguments: &[&str]) -> Self {
        let mut redis = Self::new("redis-server".as_ref(), &["--tls-auth-clients", "no"]);
        redis.tls_port = free_port();
        redis.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        redis.arguments.extend(["--tls-port".to_owned(), redis.tls_port.to_string()]);
        for (name, file) in
            ["--tls-cert-file", "--tls-key-file", "--tls-ca-cert-file"].into_iter().zip(files)
        {
            redis.arguments.extend([name.to_owned(), format!("{TLS_FOLDER}{file}")]);
        }
        redis.start_again().await;
        redis
    }

    /// Starts a replica of the server on that port, and waits until it is up to date.
    pub async fn replica_of(port: u16) -> Self {
        let replica = Self::with(&["--replicaof", "127.0.0.1", &port.to_string()]).await;
        patiently("the replica to be up to date", async || {
            replica.ask(&["INFO", "replication"]).await.text().contains("master_link_status:up")
        })
        .await;
        replica
    }

    pub async fn with(arguments: &[&str]) -> Self {
        Self::of("redis-server".as_ref(), arguments).await
    }

    /// Starts a Cluster of one node. The port of its bus is a free one too: by default it would be 10,000 above the node's, among
    /// those that the system gives to outgoing connections.
    pub async fn as_only_node() -> Self {
        let bus_port = free_port().to_string();
        Self::with(&["--cluster-enabled", "yes", "--cluster-port", &bus_port]).await
    }

    /// Starts another program that is a Redis.
    pub async fn of(program: &Path, arguments: &[&str]) -> Self {
        let mut redis = Self::new(program, arguments);
        redis.start_again().await;
        redis
    }

    /// A server that does not run yet.
    pub fn new(program: &Path, arguments: &[&str]) -> Self {
        Self {
            port: free_port(),
            tls_port: 0,
            program: program.to_owned(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            password: None,
            folder: Folder::new("redis"),
            running: None,
        }
    }

    /// Starts a server that does not run, with the data on its disk, and waits until it answers.
    pub async fn start_again(&mut self) {
        let mut command = Command::new(&self.program);
        command
            .args(["--bind", "127.0.0.1", "-::1", "--save", "", "--repl-diskless-sync-delay", "0"])
            .args(["--port", &self.port.to_string()])
            .args(&self.arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        self.running = Some(Child::spawn(&mut command));
        let answers = async || {
            let answer = self.try_ask(&["PING"]).await;
            answer.is_ok_and(|answer| answer == Reply::Bytes(b"PONG".to_vec()))
        };
        patiently("Redis to answer", answers).await;
    }

    /// Kills the server, as a loss of power does.
    pub async fn kill(&mut self) {
        self.running.take().expect("it runs").kill().await;
    }

    /// Deletes the data on its disk. The server must not run.
    pub fn lose_data(&mut self) {
        assert!(self.running.is_none(), "its files are its own while it runs");
        self.folder = Folder::new("redis");
    }

    /// Stops the process, with its connections open.
    pub fn pause(&self) {
        self.running.as_ref().expect("it runs").signal("STOP");
    }

    pub fn resume(&self) {
        self.running.as_ref().expect("it runs").signal("CONT");
    }

    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Waits until this replica has acknowledged what its master holds now.
    pub async fn has_all_of(&self, master: &Self) {
        let offset = async |server: &Self, name: &str| {
            let info = server.ask(&["INFO", "replication"]).await.text();
            let value = info.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            value.trim().parse::<u64>().unwrap_or_default()
        };
        let all = offset(master, "master_repl_offset:").await;
        eventually("the replica to have all", async || {
            offset(self, "slave_repl_offset:").await >= all
        })
        .await;
    }

    pub fn url(&self) -> String {
        url_of(self.port)
    }

    /// A store in this process, and what instances on this server share.
    pub fn store(&self, rules: Rules, clock: Option<Clock>) -> (RedisStore, RedisPeers) {
        self.store_with(rules, clock, EventLogSettings::default())
    }

    /// A store that leaves what its steps add to the history in an outbox.
    pub fn store_keeping_history(&self, history: OutboxSettings) -> RedisStore {
        store_keeping_history(&self.url(), history)
    }

    /// A store that keeps this much of the log of events.
    pub fn store_with(
        &self,
        rules: Rules,
        clock: Option<Clock>,
        events: EventLogSettings,
    ) -> (RedisStore, RedisPeers) {
        let settings = RedisSettings {
            address: RedisAddress::parse(&self.url()).unwrap(),
            key_prefix: "lkp:".to_owned(),
            events,
            history: None,
            clock,
        };
        RedisStore::start(&settings, rules, RedisMetrics::default())
    }

    /// Sends a command that must not fail.
    pub async fn ask(&self, command: &[&str]) -> Reply {
        match self.try_ask(command).await {
            Ok(Reply::Error(error)) => panic!("{command:?}: {error}"),
            Ok(reply) => reply,
            Err(error) => panic!("{command:?}: {error}"),
        }
    }

    pub async fn try_ask(&self, command: &[&str]) -> io::Result<Reply> {
        resp::ask(self.port, self.password.as_deref(), command).await
    }

    /// The keys that match, sorted.
    pub async fn keys(&self, pattern: &str) -> Vec<String> {
        let mut keys = self.ask(&["KEYS", pattern]).await.texts();
        keys.sort();
        keys
    }

    /// All keys that match with their values, without their times to live.
    pub async fn dump(&self, pattern: &str) -> BTreeMap<String, Reply> {
        let mut dump = BTreeMap::new();
        for key in self.keys(pattern).await {
            let content = match self.ask(&["TYPE", &key]).await.text().as_str() {
                "hash" => self.fields(&key).await,
                _ => self.ask(&["DUMP", &key]).await,
            };
            dump.insert(key, content);
        }
        dump
    }

    /// The fields of a hash with their values, in order: Redis gives them in one that changes while nobody writes.
    async fn fields(&self, key: &str) -> Reply {
        let mut fields = Vec::new();
        let names = self.ask(&["HKEYS", key]).await;
        let Reply::List(names) = names else { panic!("no list: {names:?}") };
        for name in names {
            let value = self.ask(&["HGET", key, &name.text()]).await;
            fields.push((name.text(), value));
        }
        fields.sort_by(|(name, _), (other, _)| name.cmp(other));
        let both = |(name, value): (String, Reply)| [Reply::Bytes(name.into_bytes()), value];
        Reply::List(fields.into_iter().flat_map(both).collect())
    }
}

/// A store on any Redis that leaves what its steps add to the history in an outbox.
pub fn store_keeping_history(url: &str, history: OutboxSettings) -> RedisStore {
    let settings = RedisSettings {
        address: RedisAddress::parse(url).unwrap(),
        key_prefix: "lkp:".to_owned(),
        events: EventLogSettings::default(),
        history: Some(history),
        clock: None,
    };
    RedisStore::start(&settings, Rules::default(), RedisMetrics::default()).0
}

pub fn url_of(port: u16) -> String {
    format!("redis://127.0.0.1:{port}")
}
