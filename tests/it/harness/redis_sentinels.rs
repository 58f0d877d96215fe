//! A real Redis with two replicas, and three real Sentinels that watch them.

use futures_util::future::join_all;
use tokio::process::Command;

use super::{Child, Folder, RedisServer, Reply, free_port, patiently, resp};

/// Ends with the test.
pub struct RedisSentinels {
    /// The first server is the master in the beginning.
    pub servers: Vec<RedisServer>,
    ports: Vec<u16>,
    password: Option<String>,
    _sentinels: Vec<(Child, Folder)>,
}

impl RedisSentinels {
    /// The name of the service in the Sentinels' configuration.
    pub const SERVICE: &str = "presence";

    /// Starts all of them, and waits until the Sentinels could replace a master that dies.
    pub async fn start() -> Self {
        Self::with_sentinel_password(None).await
    }

    /// Starts Sentinels that want a password.
    pub async fn with_sentinel_password(password: Option<&str>) -> Self {
        let master = RedisServer::start().await;
        let replicas =
            join_all([RedisServer::replica_of(master.port), RedisServer::replica_of(master.port)]);
        let [one, other] = replicas.await.try_into().ok().expect("two of them");
        let servers = vec![master, one, other];
        let ports = [free_port(), free_port(), free_port()].to_vec();
        let started = ports.iter().map(|port| sentinel(*port, servers[0].port, password)).collect();
        let password = password.map(str::to_owned);
        let sentinels = Self { servers, ports, password, _sentinels: started };
        for index in 0..sentinels.ports.len() {
            patiently("the sentinels to agree", async || {
                let quorum = sentinels.ask(index, &["SENTINEL", "CKQUORUM", Self::SERVICE]).await;
                let replicas = sentinels.ask(index, &["SENTINEL", "REPLICAS", Self::SERVICE]).await;
                let knows_all = matches!(&replicas, Some(Reply::List(all)) if all.len() == 2);
                matches!(quorum, Some(Reply::Bytes(text)) if text.starts_with(b"OK 3")) && knows_all
            })
            .await;
        }
        sentinels
    }

    /// An address with all Sentinels.
    pub fn url(&self) -> String {
        format!("redis+sentinel://{}/{}", self.addresses().join(","), Self::SERVICE)
    }

    /// Where each of the Sentinels is.
    pub fn addresses(&self) -> Vec<String> {
        self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect()
    }

    /// The server that all Sentinels call the master.
    pub async fn master(&self) -> Option<usize> {
        let mut named = Vec::new();
        for index in 0..self.ports.len() {
            let command = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self::SERVICE];
            named.push(self.ask(index, &command).await?.texts().pop()?);
        }
        named.dedup();
        let [port] = named.as_slice() else { return None };
        self.servers.iter().position(|server| server.port.to_string() == *port)
    }

    /// Waits until the Sentinels name another server, and that server calls itself the master.
    pub async fn until_another_is_master(&self, than: usize) -> usize {
        let mut now = than;
        patiently("a replica to take over", async || {
            let Some(master) = self.master().await.filter(|master| *master != than) else {
                return false;
            };
            now = master;
            self.has_role(master, "master").await
        })
        .await;
        now
    }

    /// Whether a server says that it has a role. A Sentinel that gives it another role cuts its connections, this one too.
    pub async fn has_role(&self, index: usize, role: &str) -> bool {
        let answer = self.servers[index].try_ask(&["INFO", "replication"]).await;
        answer.is_ok_and(|info| info.text().contains(&format!("role:{role}")))
    }

    /// Kills the first master once its replicas have all that it holds.
    pub async fn kill_master(&mut self) {
        self.is_copied().await;
        self.servers[0].kill().await;
    }

    /// Has the Sentinels make another server the master, and waits until the first one, which lives, is a replica. Returns the
    /// new master.
    pub async fn demote_master(&self) -> usize {
        self.is_copied().await;
        self.fail_over().await;
        let master = self.until_another_is_master(0).await;
        patiently("the old master to be demoted", async || self.has_role(0, "slave").await).await;
        master
    }

    /// Waits until the replicas have all that the first master holds.
    async fn is_copied(&self) {
        for replica in &self.servers[1..] {
            replica.has_all_of(&self.servers[0]).await;
        }
    }

    /// Has the Sentinels make another server the master, as an operator would.
    async fn fail_over(&self) {
        patiently("a failover to begin", async || {
            let answer = self.ask(0, &["SENTINEL", "FAILOVER", Self::SERVICE]).await;
            answer.is_some_and(|answer| !matches!(answer, Reply::Error(_)))
        })
        .await;
    }

    async fn ask(&self, index: usize, command: &[&str]) -> Option<Reply> {
        resp::ask(self.ports[index], self.password.as_deref(), command).await.ok()
    }
}

fn sentinel(port: u16, master: u16, password: Option<&str>) -> (Child, Folder) {
    let service = RedisSentinels::SERVICE;
    let folder = Folder::new("sentinel");
    let file = folder.path().join("sentinel.conf");
    let password = password.map_or(String::new(), |password| {
        format!("requirepass {password}\nsentinel sentinel-pass {password}\n")
    });
    let config = format!(
        "port {port}\nbind 127.0.0.1\n{password}sentinel monitor {service} 127.0.0.1 {master} 2\n\
         sentinel down-after-milliseconds {service} 1000\nsentinel failover-timeout {service} 6000\n"
    );
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new("redis-server");
    command
        .arg(&file)
        .arg("--sentinel")
        .current_dir(folder.path())
        .stdout(std::process::Stdio::null());
    (Child::spawn(&mut command), folder)
}
