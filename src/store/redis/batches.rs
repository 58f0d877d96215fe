//! Sends commands that are ready at the same time together: one write and one read for all of them, here and in Redis. Each has
//! its own answer, and none waits for a command that is not ready.

use std::sync::Arc;

use redis::{
    Arg, Cmd, Pipeline, RedisError, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::yield_now,
};

use super::scripts::reads_entries;

/// Commands per write. The answers of one write arrive together, so the first of them waits for the last.
const MAX_AT_ONCE: usize = 16;
/// Writes that wait for their answers. Further commands wait here, and are dropped if their callers give up.
const MAX_BATCHES: usize = 32;
/// Commands that wait to be sent. When there are more, callers wait.
const MAX_WAITING: usize = 256;
/// Reads everything at a key, which can be megabytes. It is sent by itself, so that it does not delay the answers of a whole
/// batch.
const READ_ALL: &[u8] = b"HGETALL";

/// A connection that sends commands together. Cheap to clone; it ends with its last clone.
#[derive(Clone)]
pub(super) struct Batches {
    connection: MultiplexedConnection,
    waiting: mpsc::Sender<Waiting>,
}

/// A command whose caller waits for the answer.
struct Waiting {
    command: Cmd,
    answer: oneshot::Sender<RedisResult<Value>>,
}

impl Batches {
    /// Must be called in a runtime.
    pub fn new(connection: MultiplexedConnection) -> Self {
        let (waiting, commands) = mpsc::channel(MAX_WAITING);
        tokio::spawn(send_all(connection.clone(), commands));
        Self { connection, waiting }
    }

    pub async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        let name = command.args_iter().next();
        if matches!(name, Some(Arg::Simple(name)) if name == READ_ALL) || reads_entries(command) {
            return self.connection.clone().req_packed_command(command).await;
        }
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { command: command.clone(), answer };
        self.waiting.send(waiting).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    /// The database that was chosen.
    pub fn db(&self) -> i64 {
        self.connection.get_db()
    }

    /// For callers that send a batch of their own.
    pub fn connection(&mut self) -> &mut MultiplexedConnection {
        &mut self.connection
    }
}

/// Sends what waits, until the last clone is dropped.
async fn send_all(connection: MultiplexedConnection, mut commands: mpsc::Receiver<Waiting>) {
    let places = Arc::new(Semaphore::new(MAX_BATCHES));
    while let Some(first) = commands.recv().await {
        if commands.len() + 1 < MAX_AT_ONCE {
            // Tasks that are ready to run now may have a command too.
            yield_now().await;
        }
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let mut batch = vec![first];
        while batch.len() < MAX_AT_ONCE
            && let Ok(next) = commands.try_recv()
        {
            batch.push(next);
        }
        // Drops commands whose callers gave up. If one was for a webhook, LiveKit sends that again.
        batch.retain(|waiting| !waiting.answer.is_closed());
        if !batch.is_empty() {
            tokio::spawn(send_batch(connection.clone(), batch, place));
        }
    }
}

async fn send_batch(
    mut connection: MultiplexedConnection,
    mut batch: Vec<Waiting>,
    _place: OwnedSemaphorePermit,
) {
    if batch.len() == 1
        && let Some(Waiting { command, answer }) = batch.pop()
    {
        let _ = answer.send(connection.req_packed_command(&command).await);
        return;
    }
    let mut pipeline = Pipeline::with_capacity(batch.len());
    let (commands, answers): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|Waiting { command, answer }| (command, answer)).unzip();
    for command in commands {
        pipeline.add_command(command);
    }
    match connection.req_packed_commands(&pipeline, 0, answers.len()).await {
        Ok(values) => {
            for (answer, value) in answers.into_iter().zip(values) {
                let _ = answer.send(value.extract_error());
            }
        }
        Err(error) => {
            for answer in answers {
                let _ = answer.send(Err(error.clone()));
            }
        }
    }
}

fn closed() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::BrokenPipe).into()
}
