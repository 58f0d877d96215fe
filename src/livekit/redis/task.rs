//! The task of LiveKit's Redis: keeps a connection that tracks, and looks whether LiveKit uses this Redis in a layout that is
//! known.
//!
//! It is woken by what is pushed (the connection is gone, LiveKit's version was written) and by its timers. At any doubt it
//! connects again, and tells its reader that anything may have changed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{Interval, MissedTickBehavior, interval_at, sleep, timeout};
use tracing::{info, warn};

use crate::redis_client::{CONNECT, Connector, OutageLog, no_answer};

use super::{
    connection::{Connection, Marks},
    layout::Layout,
    lost::{Lost, told},
    node_watch::NodeWatch,
    reader::within,
    shared::{Access, Inbox, Shared},
};

const PING_INTERVAL: Duration = Duration::from_secs(1);
/// A connection that leaves this many pings in a row unanswered is given up.
const MAX_MISSED: u32 = 2;
/// How often it is looked whether LiveKit uses this Redis. It also tells when it begins to.
const LAYOUT_INTERVAL: Duration = Duration::from_secs(10);
/// How often it is looked whether LiveKit's servers go on writing.
const NODES_INTERVAL: Duration = Duration::from_secs(1);
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(50);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(1);

pub(super) struct Task {
    connector: Connector,
    shared: Arc<Shared>,
    outages: OutageLog,
    /// Whether the log says which rights are missing with which less would be read.
    says_rights: bool,
    nodes: NodeWatch,
}

impl Task {
    pub fn new(connector: Connector, shared: Arc<Shared>) -> Self {
        let nodes = NodeWatch::new(Arc::clone(&shared));
        Self { connector, shared, outages: OutageLog::default(), says_rights: false, nodes }
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
        let sparing = connection.check_rights().await?;
        let access = Access { connection, is_sparing: sparing.is_ok() };
        if let Err(refused) = sparing
            && !std::mem::replace(&mut self.says_rights, true)
        {
            warn!(
                error = %told(&refused),
                "rooms of LiveKit's Redis are fetched without asking how large they are, so that very large ones take much memory and \
                 cost the connection; give the user in `livekit.redis_url` +hscan +hkeys +hstrlen +memory|usage"
            );
        }
        let timers = Timers::new();
        let answers = self.shared.answers();
        Ok(Serving { task: self, inbox, access, marks, timers, missed: 0, answers })
    }

    fn up(&mut self, access: &Access) {
        if self.shared.is_up() {
            return;
        }
        self.shared.set_up(access.clone());
        if self.outages.up(Instant::now()) {
            let address = self.connector.address();
            info!(?address, "following LiveKit's Redis, which tells of changes as they happen");
        }
    }

    fn down(&mut self, reason: String) {
        if self.outages.down(&reason, Instant::now()) {
            let (address, error) = (self.connector.address(), &reason);
            warn!(
                ?address,
                %error,
                "cannot follow LiveKit's Redis; its API is asked instead, and LiveKit's Redis is tried again"
            );
        }
        self.shared.note_nodes(0, 0);
        self.shared.set_down(reason);
    }
}

/// One connection while it works.
struct Serving<'task> {
    task: &'task mut Task,
    inbox: Arc<Inbox>,
    access: Access,
    marks: Marks,
    timers: Timers,
    /// Pings in a row without an answer, while nothing else was answered.
    missed: u32,
    /// Answers to readings until the last ping.
    answers: u64,
}

struct Timers {
    ping: Interval,
    layout: Interval,
    nodes: Interval,
}

impl Timers {
    fn new() -> Self {
        let every = |period| {
            let mut interval = interval_at(tokio::time::Instant::now() + period, period);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        };
        Self {
            ping: every(PING_INTERVAL),
            layout: every(LAYOUT_INTERVAL),
            nodes: every(NODES_INTERVAL),
        }
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
        // Before anybody is told that it is followed, since quiet rooms are probed more often where no server is seen.
        self.task.nodes.look(&mut self.access.connection).await;
        self.look_at_layout().await?;
        loop {
            tokio::select! {
                () = self.inbox.lost.notified() => return Err(Lost::Closed),
                () = self.inbox.version.notified() => self.look_at_layout().await?,
                _ = self.timers.layout.tick() => self.look_at_layout().await?,
                // Pings find out whether it still answers, and must not wait for this.
                _ = self.timers.nodes.tick(), if self.missed == 0 => self.task.nodes.look(&mut self.access.connection).await,
                _ = self.timers.ping.tick() => self.on_ping().await?,
            }
        }
    }

    async fn on_ping(&mut self) -> Result<(), Lost> {
        let answered = timeout(PING_INTERVAL, self.access.connection.marks()).await;
        let answers = self.task.shared.answers();
        let is_in_use = std::mem::replace(&mut self.answers, answers) != answers;
        match answered {
            Ok(Ok(marks)) if marks == self.marks => {
                self.missed = 0;
                Ok(())
            }
            Ok(Ok(_)) => Err(Lost::Moved),
            // The ping waits behind what is being read.
            Err(_) if is_in_use && !self.access.connection.is_cluster() => Ok(()),
            Ok(Err(_)) | Err(_) => {
                self.missed += 1;
                if self.missed >= MAX_MISSED { Err(Lost::Silent) } else { Ok(()) }
            }
        }
    }

    async fn look_at_layout(&mut self) -> Result<(), Lost> {
        let version = within(self.access.connection.version()).await?;
        match Layout::of(version.as_deref()).problem() {
            None => self.task.up(&self.access),
            Some(problem) => self.task.down(problem),
        }
        Ok(())
    }
}
