//! The service as a process, for tests of what only a process shows: signals, memory, descriptors, its log.

use std::{
    net::SocketAddr,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use livekit_presence::livekit::{ApiKey, Keys, WebhookToken};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::oneshot,
};

use super::{
    Connection, Response, Subscriber, WebhookBody, app::webhook_request, last_lines,
    within_deadline,
};

pub const KEYS: &str = "APIprocess: secret-of-the-process-0123456789abcdef";

/// A running process. Killed when dropped.
pub struct Process {
    pub address: SocketAddr,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    keys: Keys,
}

impl Process {
    /// The program with these variables and no others.
    pub fn command(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_livekit-presence"));
        command
            .args(arguments)
            .env_clear()
            .current_dir(std::env::temp_dir())
            .envs(variables.iter().copied())
            .kill_on_drop(true);
        command
    }

    /// Starts the service. Anybody may read, unless the variables say otherwise.
    pub async fn start(variables: &[(&str, &str)]) -> Self {
        Self::start_as(&[], variables).await
    }

    pub async fn start_as(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let defaults = [
            ("LIVEKIT_KEYS", KEYS),
            ("LKP__HTTP__BIND", "127.0.0.1:0"),
            ("LKP__AUTH__MODE", "open"),
            ("LKP__LOG__FORMAT", "json"),
            ("LKP__LIMITS__READS_PER_ADDRESS", "0"),
            ("LKP__LIMITS__STREAMS_PER_ADDRESS", "0"),
        ];
        let variables: Vec<_> = defaults.iter().chain(variables).copied().collect();
        Self::spawn(Self::command(arguments, &variables)).await
    }

    /// Starts a prepared command, and waits until the service listens.
    pub async fn spawn(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let (tell_address, address) = oneshot::channel();
        let kept = Arc::clone(&log);
        tokio::spawn(async move {
            let mut tell_address = Some(tell_address);
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(address) = listening_address(&line)
                    && let Some(tell) = tell_address.take()
                {
                    let _ = tell.send(address);
                }
                kept.lock().unwrap().push(line);
            }
        });
        let Ok(address) = within_deadline("the process to listen", address).await else {
            panic!("it ended before it listened: {:#?}", log.lock().unwrap());
        };
        Self { address, child, log, keys: Keys::new(&ApiKey::parse_lines(KEYS).unwrap()) }
    }

    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Everything it has logged, as far as the pipe has brought it.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    pub fn signal(&self, name: &str) {
        let sent = std::process::Command::new("kill")
            .args([format!("-{name}"), self.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    pub async fn ended(&mut self) -> ExitStatus {
        within_deadline("the process to end", self.child.wait()).await.unwrap()
    }

    /// Its resident memory, in KiB.
    pub fn resident_kib(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Kills the process, as a loss of power does.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    pub async fn webhooks(&self, webhooks: impl IntoIterator<Item = WebhookBody>) {
        let mut connection = Connection::open(self.address).await;
        for webhook in webhooks {
            connection.send(&self.webhook_request(&webhook.bytes())).await;
            assert_eq!(connection.response().await.status, 200);
        }
    }

    pub fn webhook_request(&self, body: &[u8]) -> Vec<u8> {
        let now = livekit_presence::clock::Clock::system().now().as_secs();
        let token = WebhookToken::sign(body, &self.keys, now).unwrap();
        webhook_request("/api/livekit/webhook", &[("Authorization", &token)], body)
    }

    pub async fn subscriber(&self, room: &str) -> Subscriber {
        let mut connection = Connection::open(self.address).await;
        connection
            .request("GET", &format!("/api/livekit/participants/stream?room={room}"), &[])
            .await;
        Subscriber::of(connection).await
    }

    pub async fn get(&self, target: &str) -> Response {
        let mut connection = Connection::open(self.address).await;
        connection.request("GET", target, &[("Connection", "close")]).await;
        connection.response().await
    }
}

/// Prints the end of its log where a test fails.
impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            let telling = log.iter().filter(|line| !line.contains("\"DEBUG\""));
            let words = last_lines(telling.map(String::as_str), 60);
            eprintln!("the log of the service at {}:\n{words}", self.address);
        }
    }
}

/// The address at which a service listens, if this line of its log says so, as JSON or for people.
pub fn listening_address(line: &str) -> Option<SocketAddr> {
    if let Some((_, address)) = line.split_once(" listening address=") {
        return address.trim().parse().ok();
    }
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    (line["message"] == "listening").then(|| line["address"].as_str()?.parse().ok())?
}
