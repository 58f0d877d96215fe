//! The task of LiveKit's Redis: keeps a connection that tracks, and looks whether LiveKit uses this Redis in a layout that is
//! known.
//!
//! It is woken by what is pushed (the connection is gone, LiveKit's version was written) and by its timers. At any doubt it
//! connects again, and tells its reader that anything may have changed.

use std::{sync::Arc, time::Duration};

use redis::RedisResult;
use tokio::time::{Interval, MissedTickBehavior, interval_at, sleep, timeout};
use tracing::{info, warn};

use crate::redis_client::{ANSWER, CONNECT, Connector, no_answer};

use super::{
    connection::{Connection, Marks},
    layout::Layout,
    lost::Lost,
    shared::{Inbox, Shared},
};

const PING_INTERVAL: Duration = Duration::from_secs(1);
/// A connection that leaves this many pings in a row unanswered is given up.
const MAX_MISSED: u32 = 2;
/// How often it is looked whether LiveKit uses this Redis. It also tells when it begins to.
const LAYOUT_INTERVAL: Duration = Duration::from_secs(10);
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(50);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(1);
/// Reasons for one outage in the log.
const MAX_TOLD: usize = 4;

pub(super) struct Task {
    connector: Connector,
    shared: Arc<Shared>,
    /// Why LiveKit's Redis is not followed now, as far as the log says it. The same reason is said once.
    told: Vec<String>,
}

impl Task {
    pub fn new(connector: Connector, shared: Arc<Shared>) -> Self {
        Self { connector, shared, told: Vec::new() }
    }

    /// Connects, and connects again whenever the connection is lost.
    pub async fn run(mut self) {
        let mut retry_delay = FIRST_RETRY_DELAY;
        loop {
            let connected = self.connect().await;
            let (connected, lost) = match connected {
                Ok(serving) => (true, serving.run().await),
                Err(lost) => (false, lost),
            };
            if connected {
                retry_delay = FIRST_RETRY_DELAY;
            }
            self.down(lost.to_string());
            sleep(retry_delay.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            retry_delay = (retry_delay * 2).min(MAX_RETRY_DELAY);
        }
    }

    async fn connect(&mut self) -> Result<Serving<'_>, Lost> {
        let mut inbox = Inbox::new(Arc::clone(&self.shared));
        let connecting = Connection::connect(&self.connector, || {
            inbox = Inbox::new(Arc::clone(&self.shared));
            inbox.on_push()
        });
        let connected = timeout(CONNECT * 2, connecting).await;
        let (mut connection, marks) = connected.map_err(|_| no_answer())??;
        connection.check_rights().await?;
        let timers = Timers::new();
        Ok(Serving { task: self, inbox, connection, marks, timers, missed: 0 })
    }

    fn up(&mut self, connection: &Connection) {
        if self.shared.is_up() {
            return;
        }
        self.told.clear();
        self.shared.set_up(connection.clone());
        let address = self.connector.address();
        info!(?address, "following LiveKit's Redis, which tells of changes as they happen");
    }

    fn down(&mut self, reason: String) {
        if self.told.len() < MAX_TOLD && !self.told.contains(&reason) {
            let (address, error) = (self.connector.address(), &reason);
            warn!(
                ?address,
                %error,
                "cannot follow LiveKit's Redis; its API is asked instead, and LiveKit's Redis is tried again"
            );
            self.told.push(reason.clone());
        }
        self.shared.set_down(reason);
    }
}

/// One connection while it works.
struct Serving<'task> {
    task: &'task mut Task,
    inbox: Arc<Inbox>,
    connection: Connection,
    marks: Marks,
    timers: Timers,
    /// Pings in a row without an answer.
    missed: u32,
}

struct Timers {
    ping: Interval,
    layout: Interval,
}

impl Timers {
    fn new() -> Self {
        let every = |period| {
            let mut interval = interval_at(tokio::time::Instant::now() + period, period);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        };
        Self { ping: every(PING_INTERVAL), layout: every(LAYOUT_INTERVAL) }
    }
}

impl Serving<'_> {
    async fn run(mut self) -> Lost {
        match self.serve().await {
            Ok(never) => match never {},
            Err(lost) => lost,
        }
    }

    async fn serve(&mut self) -> Result<std::convert::Infallible, Lost> {
        self.look_at_layout().await?;
        loop {
            tokio::select! {
                () = self.inbox.lost.notified() => return Err(Lost::Closed),
                () = self.inbox.version.notified() => self.look_at_layout().await?,
                _ = self.timers.layout.tick() => self.look_at_layout().await?,
                _ = self.timers.ping.tick() => self.on_ping().await?,
            }
        }
    }

    async fn on_ping(&mut self) -> Result<(), Lost> {
        match timeout(PING_INTERVAL, self.connection.marks()).await {
            Ok(Ok(marks)) if marks == self.marks => {
                self.missed = 0;
                Ok(())
            }
            Ok(Ok(_)) => Err(Lost::Moved),
            Ok(Err(_)) | Err(_) => {
                self.missed += 1;
                if self.missed >= MAX_MISSED { Err(Lost::Silent) } else { Ok(()) }
            }
        }
    }

    async fn look_at_layout(&mut self) -> Result<(), Lost> {
        let version = within(self.connection.version()).await?;
        match Layout::of(version.as_deref()).problem() {
            None => self.task.up(&self.connection),
            Some(problem) => self.task.down(problem),
        }
        Ok(())
    }
}

/// An answer, or the error that there was none in time.
pub(super) async fn within<T>(answer: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    timeout(ANSWER, answer).await.unwrap_or_else(|_| Err(no_answer()))
}
