//! The task of the subscriber: keeps a connection for subscriptions, subscribes followed buckets on it, and checks that messages
//! arrive.
//!
//! It is woken by the inbox (a follower came, the connection is gone), by the link (Redis is at another address), and by its
//! timers.

use std::{
    sync::{Arc, Mutex, Weak, atomic::Ordering},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use crate::{
    error_chain::Chain,
    redis_client::OutageLog,
    store::{Cause, StoreError},
};

use super::{
    error::failed, inbox::Inbox, keys::Bucket, link::Link, metrics::RedisMetrics,
    subscription::Subscription,
};

/// How long a follower, and each subscription, waits for Redis to acknowledge it.
pub(super) const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_millis(2_500);
const PING_INTERVAL: Duration = Duration::from_secs(1);
/// A connection that leaves this many pings in a row unanswered is given up.
const MAX_MISSED: u32 = 2;
/// How often this instance sends itself a message, to see that messages arrive.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// How often subscriptions to a Cluster are issued again. A Cluster silently drops those on a failed master or a moved slot.
const REISSUE_INTERVAL: Duration = Duration::from_secs(2);
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(50);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(1);
/// Channels per SUBSCRIBE command.
const MAX_CHANNELS: usize = 64;
/// SUBSCRIBE commands under way together.
const MAX_COMMANDS: usize = 64;

/// Why a subscription ended.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("the connection was closed")]
    Closed,
    #[error("Redis is at another address now")]
    Moved,
    #[error("no answer to pings")]
    Silent,
    #[error("our own message did not arrive")]
    Deaf,
    #[error(transparent)]
    Failed(#[from] StoreError),
}

/// Keeps the subscription until nobody holds the inbox.
pub(super) struct SubscriberTask {
    link: Arc<Link>,
    inbox: Weak<Inbox>,
    metrics: RedisMetrics,
    outages: Mutex<OutageLog>,
}

impl SubscriberTask {
    pub fn new(link: Arc<Link>, inbox: Weak<Inbox>, metrics: RedisMetrics) -> Self {
        Self { link, inbox, metrics, outages: Mutex::default() }
    }

    /// Connects, and connects again whenever the connection is lost.
    pub async fn run(self) {
        let watched = Arc::clone(&self.link);
        let _watching =
            AbortOnDropHandle::new(tokio::spawn(async move { watched.watch_nodes().await }));
        let mut retry_delay = FIRST_RETRY_DELAY;
        while let Err(lost) = self.subscribe_and_serve().await {
            let Some(inbox) = self.inbox.upgrade() else { return };
            if inbox.is_connected.load(Ordering::Relaxed) {
                retry_delay = FIRST_RETRY_DELAY;
                self.metrics.resubscribed();
            }
            // Whatever the reason: one outage shows in several ways.
            if self.is_news(|outages, now| outages.down("lost", now)) {
                warn!(error = %Chain(&lost), "no subscription to Redis; subscribing again");
            }
            inbox.disconnected();
            drop(inbox);
            sleep(retry_delay.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            retry_delay = (retry_delay * 2).min(MAX_RETRY_DELAY);
        }
    }

    /// Makes a connection and serves it until it fails. Returns without an error when nobody holds the inbox.
    async fn subscribe_and_serve(&self) -> Result<(), Lost> {
        let Some(inbox) = self.inbox.upgrade() else { return Ok(()) };
        inbox.forget_loss().await;
        let pushed = Weak::clone(&self.inbox);
        let mut connection = self
            .link
            .subscription(move |push| {
                if let Some(inbox) = pushed.upgrade() {
                    inbox.on_push(&push);
                }
            })
            .await?;
        answered(connection.subscribe(std::slice::from_ref(&inbox.probe))).await?;
        let buckets = inbox.followers.buckets();
        subscribe(&inbox, &connection, &buckets).await?;
        subscribe_events(&inbox, &mut connection, inbox.events.is_wanted()).await?;
        inbox.is_connected.store(true, Ordering::Relaxed);
        if self.is_news(OutageLog::up) {
            info!(buckets = buckets.len(), "subscribed to Redis");
        }
        let timers = Timers::new();
        let sent = inbox.probed();
        drop(inbox);
        Serving { task: self, connection, timers, missed: 0, sent }.run().await
    }

    fn is_news(&self, note: impl FnOnce(&mut OutageLog, Instant) -> bool) -> bool {
        note(&mut self.outages.lock().expect("nothing panics while it is locked"), Instant::now())
    }
}

/// One connection while it works.
struct Serving<'task> {
    task: &'task SubscriberTask,
    connection: Subscription,
    timers: Timers,
    /// Pings in a row without an answer.
    missed: u32,
    /// The number of the last probe that was sent.
    sent: u64,
}

struct Timers {
    ping: Interval,
    probe: Interval,
    reissue: Interval,
}

impl Timers {
    fn new() -> Self {
        let every = |period| {
            let mut interval = interval(period);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        };
        Self {
            ping: every(PING_INTERVAL),
            probe: every(PROBE_INTERVAL),
            reissue: every(REISSUE_INTERVAL),
        }
    }
}

impl Serving<'_> {
    async fn run(mut self) -> Result<(), Lost> {
        loop {
            let Some(inbox) = self.task.inbox.upgrade() else { return Ok(()) };
            tokio::select! {
                () = inbox.wanted.notified() => {
                    let buckets = inbox.followers.unsubscribed_buckets();
                    subscribe(&inbox, &self.connection, &buckets).await?;
                    let is_wanted = inbox.events.is_wanted();
                    subscribe_events(&inbox, &mut self.connection, is_wanted).await?;
                }
                () = inbox.lost.notified() => self.on_lost(&inbox).await?,
                () = self.task.link.moved.notified() => return Err(Lost::Moved),
                _ = self.timers.ping.tick() => self.on_ping(&inbox).await?,
                _ = self.timers.probe.tick() => self.on_probe(&inbox).await?,
                _ = self.timers.reissue.tick(), if self.connection.is_cluster() => {
                    subscribe(&inbox, &self.connection, &inbox.followers.buckets()).await?;
                    let is_followed = inbox.events.is_followed();
                    subscribe_events(&inbox, &mut self.connection, is_followed).await?;
                }
            }
        }
    }

    /// A Cluster does not say to which of its nodes the connection is gone.
    async fn on_lost(&mut self, inbox: &Inbox) -> Result<(), Lost> {
        if !self.connection.is_cluster() {
            return Err(Lost::Closed);
        }
        subscribe(inbox, &self.connection, &inbox.followers.buckets()).await?;
        subscribe_events(inbox, &mut self.connection, inbox.events.is_followed()).await?;
        inbox.followers.gap();
        Ok(())
    }

    async fn on_ping(&mut self, inbox: &Inbox) -> Result<(), Lost> {
        let idle = inbox.followers.take_idle();
        for buckets in idle.chunks(max_channels(&self.connection)) {
            answered(self.connection.unsubscribe(&channels(inbox, buckets))).await?;
        }
        if inbox.events.give_up() {
            answered(self.connection.unsubscribe(std::slice::from_ref(&inbox.events.channel)))
                .await?;
        }
        let answer = timeout(PING_INTERVAL, self.connection.ping()).await;
        self.missed = if matches!(answer, Ok(Ok(()))) { 0 } else { self.missed + 1 };
        if self.missed >= MAX_MISSED { Err(Lost::Silent) } else { Ok(()) }
    }

    async fn on_probe(&mut self, inbox: &Inbox) -> Result<(), Lost> {
        if self.sent > inbox.probed() {
            return Err(Lost::Deaf);
        }
        let publish = if self.connection.is_cluster() { "SPUBLISH" } else { "PUBLISH" };
        let mut probe = redis::cmd(publish);
        probe.arg(&inbox.probe).arg(self.sent + 1);
        if self.task.link.query::<()>(&probe).await.is_ok() {
            self.sent += 1;
        }
        Ok(())
    }
}

/// Subscribes buckets, and tells the followers that wait for them.
async fn subscribe(
    inbox: &Inbox,
    connection: &Subscription,
    buckets: &[Bucket],
) -> Result<(), StoreError> {
    let subscribing: Vec<_> = buckets
        .chunks(max_channels(connection))
        .map(|buckets| subscribe_some(inbox, connection.clone(), buckets.to_vec()))
        .collect();
    let results: Vec<_> = stream::iter(subscribing).buffer_unordered(MAX_COMMANDS).collect().await;
    // On a Cluster one master may be gone while the others work. The next re-issue tries again what failed.
    let may_go_on = connection.is_cluster() && results.iter().any(Result::is_ok);
    match results.into_iter().find_map(Result::err) {
        Some(error) if !may_go_on => Err(error),
        _ => Ok(()),
    }
}

/// Subscribes to the log of events, if that is wanted. On a Cluster its master may be gone while others work.
async fn subscribe_events(
    inbox: &Inbox,
    connection: &mut Subscription,
    is_wanted: bool,
) -> Result<(), StoreError> {
    if !is_wanted {
        return Ok(());
    }
    let channel = std::slice::from_ref(&inbox.events.channel);
    match answered(connection.subscribe(channel)).await {
        Ok(()) => inbox.events.subscribed(),
        Err(_) if connection.is_cluster() => inbox.events.unsubscribed(),
        Err(error) => return Err(error),
    }
    Ok(())
}

async fn subscribe_some(
    inbox: &Inbox,
    mut connection: Subscription,
    buckets: Vec<Bucket>,
) -> Result<(), StoreError> {
    let answer = answered(connection.subscribe(&channels(inbox, &buckets))).await;
    match &answer {
        Ok(()) => inbox.followers.subscribed(&buckets),
        Err(_) => inbox.followers.unsubscribed(&buckets),
    }
    answer
}

fn channels(inbox: &Inbox, buckets: &[Bucket]) -> Vec<String> {
    buckets.iter().map(|bucket| inbox.keys.channel(*bucket)).collect()
}

/// One for a Cluster, where each channel has a slot of its own.
fn max_channels(connection: &Subscription) -> usize {
    if connection.is_cluster() { 1 } else { MAX_CHANNELS }
}

async fn answered(answer: impl Future<Output = redis::RedisResult<()>>) -> Result<(), StoreError> {
    match timeout(ACKNOWLEDGE_TIMEOUT, answer).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(failed(&error)),
        Err(_) => Err(not_acknowledged()),
    }
}

pub(super) fn not_acknowledged() -> StoreError {
    StoreError::TimedOut(Cause::new("the subscription was not acknowledged"))
}
