//! A real livekit-server on loopback.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::{Child, free_port, patiently};

use super::{
    Api,
    tools::{Tools, say},
    version::Version,
};

/// The two API keys that every server knows, so that a test can switch the one that signs webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Signs tokens and calls, and webhooks unless a test switches that.
    First,
    Second,
}

impl Key {
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "APIfirst",
            Self::Second => "APIsecond",
        }
    }

    pub fn secret(self) -> &'static str {
        match self {
            Self::First => "secret-of-the-first-key-0123456789abcdef",
            Self::Second => "secret-of-the-second-key-0123456789abcdef",
        }
    }

    /// Both keys as lines of `LIVEKIT_KEYS`.
    pub fn lines() -> String {
        [Self::First, Self::Second]
            .map(|key| format!("{}: {}", key.name(), key.secret()))
            .join("\n")
    }
}

/// The configuration of a server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What its configuration has about the Redis that keeps its rooms; without one they are in its memory.
    pub redis: Option<Value>,
    /// Whether `ListParticipants` asks the node of the room instead of the store, if this version can.
    pub psrpc_lists: bool,
    /// Whether the API may unmute tracks.
    pub remote_unmute: bool,
    pub webhook_key: Key,
    /// Empty: none are sent.
    pub webhook_url: String,
}

/// A server that keeps its ports when it is killed and started again.
pub struct LiveKitServer {
    pub settings: Settings,
    pub version: Version,
    pub port: u16,
    tcp_port: u16,
    udp_port: u16,
    tools: Tools,
    running: Option<Child>,
}

impl LiveKitServer {
    /// Starts a server, and waits until its API answers.
    pub async fn start(tools: &Tools, settings: Settings) -> Self {
        let (port, tcp_port, udp_port) = (free_port(), free_port(), free_port());
        let tools = tools.clone();
        let version = Version::of(&tools.livekit_server).await;
        if settings.psrpc_lists && !version.can_ask_nodes_for_lists() {
            say(&format!("LiveKit {version} cannot ask nodes for lists, and reads its store"));
        }
        let mut server = Self { settings, version, port, tcp_port, udp_port, tools, running: None };
        server.start_again().await;
        server
    }

    /// Starts another server, with ports of its own, on the same Redis.
    pub async fn another(&self) -> Self {
        Self::start(&self.tools, self.settings.clone()).await
    }

    /// Starts a server that does not run, and waits until its API answers.
    pub async fn start_again(&mut self) {
        let mut command = Command::new(&self.tools.livekit_server);
        command
            .env_clear()
            .env("LIVEKIT_CONFIG", self.config().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        self.running = Some(Child::spawn(&mut command));
        let api = self.api();
        patiently("LiveKit's API to answer", async || api.list_rooms().await.status == Some(200))
            .await;
    }

    /// Kills the server. It sends nothing more, and its rooms stay in Redis.
    pub async fn kill(&mut self) {
        self.running.take().expect("it runs").kill().await;
    }

    /// Ends the server as an impatient operator does: the first SIGTERM makes it wait until everybody has left, the second
    /// closes its rooms. The last webhooks of that are lost.
    pub async fn terminate(&mut self) {
        let mut running = self.running.take().expect("it runs");
        running.signal("TERM");
        let told = async || running.last_words(50).contains("exit requested");
        patiently("LiveKit to hear of it", told).await;
        running.signal("TERM");
        running.ended().await;
    }

    pub fn api(&self) -> Api {
        Api { port: self.port }
    }

    /// The address where clients connect.
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    pub fn last_words(&self, lines: usize) -> String {
        self.running.as_ref().map_or_else(String::new, |running| running.last_words(lines))
    }

    /// The configuration as JSON, which is YAML. The rest is LiveKit's default.
    fn config(&self) -> Value {
        let keys = [Key::First, Key::Second].map(|key| (key.name(), key.secret()));
        let mut config = json!({
            "port": self.port,
            "bind_addresses": ["127.0.0.1"],
            "keys": keys.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
            "rtc": {
                "node_ip": "127.0.0.1",
                "use_external_ip": false,
                "enable_loopback_candidate": true,
                "tcp_port": self.tcp_port,
                "udp_port": self.udp_port,
            },
            "room": {"enable_remote_unmute": self.settings.remote_unmute},
            "logging": {"level": "info", "json": true},
        });
        if !self.settings.webhook_url.is_empty() {
            config["webhook"] = json!({
                "api_key": self.settings.webhook_key.name(),
                "urls": [self.settings.webhook_url],
            });
        }
        // A server does not start with a setting that it does not know.
        if self.settings.psrpc_lists && self.version.can_ask_nodes_for_lists() {
            config["api"] = json!({"enable_psrpc_for_get_list_participants": true});
        }
        if let Some(redis) = &self.settings.redis {
            config["redis"] = redis.clone();
        }
        config
    }
}
