//! A process of clients, `tests/real/clients.py`: it takes a JSON command a line, and answers each with a line.

use std::{
    collections::HashMap,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{ChildStdin, ChildStdout, Command},
    sync::{mpsc, oneshot},
};

use crate::harness::{Child, WAIT_TIMEOUT};

use super::tools::Tools;

/// The commands that wait for an answer, by id; none once the process has ended.
type Waiting = Arc<Mutex<Option<HashMap<u64, oneshot::Sender<Result<Value, String>>>>>>;

const ENDED: &str = "the clients' process has ended";

/// A process of clients, which die with it.
pub struct Driver {
    child: tokio::sync::Mutex<Child>,
    commands: mpsc::UnboundedSender<String>,
    waiting: Waiting,
    next_id: AtomicU64,
}

impl Driver {
    /// Starts a process, and waits until it takes commands.
    pub async fn start(tools: &Tools) -> Arc<Self> {
        let mut command = Command::new(&tools.python);
        // The Rust part of the SDK logs what goes wrong with a connection.
        command
            .arg(&tools.driver)
            .env_clear()
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = Child::spawn(&mut command);
        let answers = BufReader::new(child.process.stdout.take().unwrap());
        let (commands, to_write) = mpsc::unbounded_channel();
        tokio::spawn(write(child.process.stdin.take().unwrap(), to_write));
        let waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        let (tell_ready, ready) = oneshot::channel();
        tokio::spawn(read(answers, Arc::clone(&waiting), tell_ready));
        let started = tokio::time::timeout(WAIT_TIMEOUT, ready).await;
        assert!(matches!(started, Ok(Ok(()))), "no clients: {}", child.last_words(20));
        let child = tokio::sync::Mutex::new(child);
        Arc::new(Self { child, commands, waiting, next_id: AtomicU64::new(1) })
    }

    /// Sends a command, and returns its answer.
    pub async fn tell(&self, action: &str, client: u64, with: Value) -> Result<Value, String> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        match &mut *self.waiting.lock().unwrap() {
            Some(waiting) => waiting.insert(id, answer),
            None => return Err(ENDED.to_owned()),
        };
        let command = json!({"id": id, "do": action, "client": client, "with": with});
        let _ = self.commands.send(format!("{command}\n"));
        match tokio::time::timeout(WAIT_TIMEOUT, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(ENDED.to_owned()),
            Err(_) => Err(format!("no answer to {action} in {WAIT_TIMEOUT:?}")),
        }
    }

    /// Kills all its clients, as a crash of a browser does.
    pub async fn kill(&self) {
        self.child.lock().await.kill().await;
    }
}

async fn write(mut stdin: ChildStdin, mut commands: mpsc::UnboundedReceiver<String>) {
    while let Some(command) = commands.recv().await {
        if stdin.write_all(command.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Hands each answer to the command that waits for it. At the end of the process, none waits any longer.
async fn read(answers: BufReader<ChildStdout>, waiting: Waiting, ready: oneshot::Sender<()>) {
    let mut ready = Some(ready);
    let mut lines = answers.lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut answer: Value = serde_json::from_str(&line).expect("an answer is JSON");
        if let Some(ready) = ready.take() {
            let _ = ready.send(());
            continue;
        }
        let id = answer["id"].as_u64().unwrap_or_default();
        let waiter = waiting.lock().unwrap().as_mut().and_then(|waiting| waiting.remove(&id));
        if let Some(waiter) = waiter {
            let _ = waiter.send(match answer["error"].as_str() {
                Some(error) => Err(error.to_owned()),
                None => Ok(answer["ok"].take()),
            });
        }
    }
    waiting.lock().unwrap().take();
}
