//! The real curl, for TLS and HTTP/2, which the client of this harness does not speak.

use std::{path::PathBuf, process::Stdio};

use tokio::process::Command;

use super::{Child, EventDecoder, Folder, eventually, identities};

const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/ca.pem");

/// Streams that one curl reads, on one connection if the server speaks HTTP/2. Ends with the test.
pub struct CurlStreams {
    count: usize,
    running: Child,
    folder: Folder,
}

impl CurlStreams {
    /// Opens the same stream `count` times.
    pub fn open(url: &str, count: usize) -> Self {
        let folder = Folder::new("curl");
        let mut command = curl();
        // Unbuffered, with the head of each answer before its body.
        command.args(["--no-buffer", "--include", "--parallel", "--parallel-max"]);
        command.arg(count.to_string()).stdout(Stdio::null());
        for number in 0..count {
            command.arg("--output").arg(file(&folder, number)).arg(url);
        }
        Self { count, running: Child::spawn(&mut command), folder }
    }

    /// Waits until the last list of each stream has exactly these people. All streams must come by HTTP/2.
    pub async fn until_people(&self, expected: &[&str]) {
        eventually(&format!("{expected:?} in {} streams", self.count), async || {
            (0..self.count).all(|number| self.people(number).is_some_and(|shown| shown == expected))
        })
        .await;
    }

    /// Whether all streams are open.
    pub fn are_open(&mut self) -> bool {
        self.running.process.try_wait().unwrap().is_none()
    }

    fn people(&self, number: usize) -> Option<Vec<String>> {
        let received = std::fs::read_to_string(file(&self.folder, number)).ok()?;
        let (head, events) = received.split_once("\r\n\r\n")?;
        assert!(head.starts_with("HTTP/2 200"), "{head}");
        let mut decoder = EventDecoder::default();
        decoder.push(events.as_bytes());
        let last = decoder.filter(|event| event.name == "participants:update").last()?;
        Some(identities(&last.json()))
    }
}

/// Reads no configuration of the machine, and trusts the tests' authority alone.
fn curl() -> Command {
    let mut command = Command::new("curl");
    command.args([
        "--disable",
        "--silent",
        "--ipv4",
        "--http2",
        "--noproxy",
        "*",
        "--cacert",
        AUTHORITY,
    ]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

fn file(folder: &Folder, number: usize) -> PathBuf {
    folder.path().join(number.to_string())
}
