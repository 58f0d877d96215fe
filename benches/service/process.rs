//! The measured process, and what the kernel says of it.

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use super::bare_loop::Size;

/// Signs the webhooks of the benchmark.
pub const KEYS: &str = "APIbench: secret-of-the-benchmark-0123456789abcdef";

/// A process whose memory and time are read from /proc.
pub struct Measured {
    pub address: SocketAddr,
    child: Child,
}

impl Measured {
    /// The service, without limits that would be in the way.
    pub fn service() -> Self {
        Self::service_with(&[])
    }

    pub fn service_with(settings: &[(&str, &str)]) -> Self {
        Self::program_with(env!("CARGO_BIN_EXE_livekit-presence"), settings)
    }

    /// The service as this program, which may be another build.
    pub fn program_with(program: &str, settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program);
        command.env_clear().envs([
            ("LIVEKIT_KEYS", KEYS),
            ("LKP__HTTP__BIND", "127.0.0.1:0"),
            ("LKP__AUTH__MODE", "open"),
            ("LKP__LOG__FORMAT", "json"),
            ("LKP__STREAM__HEARTBEAT", "1h"),
            ("LKP__STREAM__MAX_AGE", "24h"),
            ("LKP__LIMITS__STREAMS_PER_ADDRESS", "0"),
            ("LKP__LIMITS__READS_PER_ADDRESS", "0"),
        ]);
        command.envs(settings.iter().copied());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the service starts");
        let lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let listening = lines.map_while(Result::ok).find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(&line).ok()?;
            let is_it = line["message"] == "listening";
            is_it.then(|| line["address"].as_str()?.parse().ok())?
        });
        Self { address: listening.expect("it listens"), child }
    }

    /// A Redis that keeps nothing on disk. None where it is not installed.
    pub fn redis(port: u16) -> Option<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string()]);
        let child = command.stdout(Stdio::null()).spawn().ok()?;
        while TcpStream::connect(address).is_err() {
            thread::sleep(Duration::from_millis(10));
        }
        Some(Self { address, child })
    }

    /// This program as a bare loop. It says on its standard output where it listens.
    pub fn bare_loop(size: Size) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        let Size { threads, rooms, subscribers_per_room } = size;
        command.arg("bare-loop");
        command.args([threads, rooms, subscribers_per_room].map(|number| number.to_string()));
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the bare loop starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("it says where it listens");
        Self { address: line.trim().parse().expect("an address"), child }
    }

    /// The time that all of its threads have spent on a processor, in the kernel too.
    pub fn cpu(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it runs");
        let nanos = tasks.filter_map(|task| {
            let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanos.sum())
    }

    pub fn resident_kib(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let digits: String =
            line.expect("it has memory").chars().filter(char::is_ascii_digit).collect();
        digits.parse().expect("kibibytes")
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
