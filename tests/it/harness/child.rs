//! A process of another program, and its output. Killed when dropped.

use std::{
    process::Stdio,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child as Process, Command},
};

use super::WAIT_TIMEOUT;

/// The lines of output that are kept.
const KEPT_LINES: usize = 2_000;

pub struct Child {
    pub process: Process,
    said: Arc<Mutex<Vec<String>>>,
}

impl Child {
    /// Starts the process, and keeps what it writes to stderr.
    pub fn spawn(command: &mut Command) -> Self {
        let mut process = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        keep(process.stderr.take().unwrap(), Arc::clone(&said));
        Self { process, said }
    }

    /// Kills the process, as a loss of power does.
    pub async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    pub fn signal(&self, name: &str) {
        let id = self.process.id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(sent.unwrap().success());
    }

    pub async fn ended(&mut self) {
        let ended = tokio::time::timeout(WAIT_TIMEOUT, self.process.wait()).await;
        ended.expect("it ends when it is told to").unwrap();
    }

    /// The last lines of its output.
    pub fn last_words(&self, lines: usize) -> String {
        last_lines(self.said.lock().unwrap().iter().map(String::as_str), lines)
    }
}

/// The last lines, without those that only log a request for a list.
pub fn last_lines<'a>(said: impl DoubleEndedIterator<Item = &'a str>, count: usize) -> String {
    let telling = said.rev().filter(|line| !line.contains("ListParticipants"));
    let mut last: Vec<_> = telling.take(count).collect();
    last.reverse();
    last.join("\n")
}

fn keep(output: impl AsyncRead + Unpin + Send + 'static, said: Arc<Mutex<Vec<String>>>) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(output).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut said = said.lock().unwrap();
            if said.len() >= 2 * KEPT_LINES {
                said.drain(..KEPT_LINES);
            }
            said.push(line);
        }
    });
}
