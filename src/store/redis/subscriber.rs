//! Following rooms by pub/sub: one subscription for each bucket that has a followed room, on a connection of its own.
//!
//! A message is a hint, the room is the truth: whenever something may have been lost, followers are told of a gap, and read
//! their rooms again. The library's own reconnection is not used, because it says too little about what was lost.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream};
use redis::{PushInfo, PushKind, Value};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use crate::{
    abort_on_panic,
    error_chain::Chain,
    presence::RoomName,
    store::{Cause, Feed, FeedSender, StoreError, feed},
};

use super::{
    RedisMetrics,
    error::failed,
    keys::{Bucket, KeyFormat},
    link::Link,
    message,
    subscription::Subscription,
};

/// A follower waits this long for its subscription.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_millis(2_500);
/// A bucket stays subscribed this long after its last follower.
const LINGER: Duration = Duration::from_secs(10);
const PING_EVERY: Duration = Duration::from_secs(1);
/// A connection that leaves this many pings unanswered is closed.
const MAX_MISSED: u32 = 2;
/// A message of our own shows that messages arrive.
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// A Cluster forgets the subscriptions of a master that failed, and of a slot that moved, without a word.
const REISSUE_EVERY: Duration = Duration::from_secs(2);
const FIRST_RETRY: Duration = Duration::from_millis(50);
const MAX_RETRY: Duration = Duration::from_secs(1);
/// Channels per SUBSCRIBE command,
const CHANNELS_AT_ONCE: usize = 64;
/// and commands at the same time.
const COMMANDS_AT_ONCE: usize = 64;

/// Follows rooms, for as long as it lives.
pub(super) struct Subscriber(Arc<Shared>);

struct Shared {
    keys: KeyFormat,
    metrics: RedisMetrics,
    /// This instance's own channel.
    probe: String,
    state: Mutex<State>,
    /// There is something to subscribe.
    wanted: Notify,
    /// The connection is gone, or a node of a Cluster is.
    lost: Notify,
    is_connected: AtomicBool,
    /// The last probe that arrived.
    probed: AtomicU64,
}

#[derive(Default)]
struct State {
    buckets: HashMap<Bucket, Followed>,
    next_follower: u64,
}

/// A bucket with followed rooms.
struct Followed {
    rooms: HashMap<RoomName, Vec<(u64, FeedSender)>>,
    /// Whether Redis acknowledged the subscription on the connection as it is now.
    is_subscribed: watch::Sender<bool>,
    /// Whether it ever did: then nobody knows what was published between then and the next time.
    was_subscribed: bool,
    idle_since: Option<Instant>,
}

impl Subscriber {
    pub fn start(link: Arc<Link>, keys: KeyFormat, instance: &str, metrics: RedisMetrics) -> Self {
        let shared = Arc::new(Shared {
            probe: keys.probe(instance),
            keys,
            metrics,
            state: Mutex::default(),
            wanted: Notify::new(),
            lost: Notify::new(),
            is_connected: AtomicBool::new(false),
            probed: AtomicU64::new(0),
        });
        let running = run(link, Arc::downgrade(&shared));
        tokio::spawn(abort_on_panic::task("the subscription to Redis", running));
        Self(shared)
    }

    /// Follows a room. When this returns, Redis has acknowledged the subscription.
    pub async fn follow(&self, room: &RoomName) -> Result<Feed, StoreError> {
        let bucket = Bucket::of(room.as_str());
        let (feed, mut is_subscribed) = {
            let mut state = self.0.state();
            let id = state.next_follower;
            state.next_follower += 1;
            let unfollow =
                Unfollow { shared: Arc::downgrade(&self.0), bucket, room: room.clone(), id };
            let (sender, feed) = feed(unfollow);
            let followed = state.buckets.entry(bucket).or_insert_with(|| Followed {
                rooms: HashMap::new(),
                is_subscribed: watch::Sender::new(false),
                was_subscribed: false,
                idle_since: None,
            });
            followed.idle_since = None;
            followed.rooms.entry(room.clone()).or_default().push((id, sender));
            (feed, followed.is_subscribed.subscribe())
        };
        self.0.wanted.notify_one();
        match timeout(ACKNOWLEDGE_TIMEOUT, is_subscribed.wait_for(|subscribed| *subscribed)).await {
            Ok(Ok(_)) => Ok(feed),
            _ => Err(not_acknowledged()),
        }
    }

    /// Whether changes arrive, as far as that is known.
    pub fn is_connected(&self) -> bool {
        self.0.is_connected.load(Ordering::Relaxed)
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        // The task holds no strong reference while it waits, and ends.
        self.0.lost.notify_one();
    }
}

/// Ends a following when its feed is dropped.
struct Unfollow {
    shared: Weak<Shared>,
    bucket: Bucket,
    room: RoomName,
    id: u64,
}

impl Drop for Unfollow {
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else { return };
        let mut state = shared.state();
        let Some(followed) = state.buckets.get_mut(&self.bucket) else { return };
        if let Some(followers) = followed.rooms.get_mut(&self.room) {
            followers.retain(|(id, _)| *id != self.id);
            if followers.is_empty() {
                followed.rooms.remove(&self.room);
            }
        }
        if followed.rooms.is_empty() {
            followed.idle_since = Some(Instant::now());
        }
    }
}

impl Followed {
    fn subscribed(&mut self) {
        let is_again = self.was_subscribed && !*self.is_subscribed.borrow();
        if is_again {
            self.gap();
        }
        self.was_subscribed = true;
        self.is_subscribed.send_replace(true);
    }

    fn unsubscribed(&mut self) {
        let was_subscribed = self.is_subscribed.send_replace(false);
        if was_subscribed {
            self.gap();
        }
    }

    fn gap(&self) {
        for (_, follower) in self.rooms.values().flatten() {
            follower.gap();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it is locked")
    }

    /// Takes what Redis pushes. Runs in the connection's own task, so it must not wait.
    fn on_push(&self, push: &PushInfo) {
        match push.kind {
            PushKind::Message | PushKind::SMessage => {
                if let [Value::BulkString(channel), Value::BulkString(message)] = &*push.data {
                    self.on_message(channel, message);
                }
            }
            PushKind::Disconnection => self.lost.notify_one(),
            PushKind::SUnsubscribe => {
                // Where nobody asked for it, the slot moved to another node.
                if let Some(Value::BulkString(channel)) = push.data.first()
                    && self.follows(channel)
                {
                    self.lost.notify_one();
                }
            }
            _ => {}
        }
    }

    fn on_message(&self, channel: &[u8], message: &[u8]) {
        if channel == self.probe.as_bytes() {
            let number = std::str::from_utf8(message).ok().and_then(|text| text.parse().ok());
            self.probed.fetch_max(number.unwrap_or_default(), Ordering::Relaxed);
            return;
        }
        let Some((room, rest)) = message::parse(message) else { return };
        let state = self.state();
        let followed = state.buckets.get(&Bucket::of(&room));
        let Some(followers) = followed.and_then(|followed| followed.rooms.get(room.as_str()))
        else {
            return;
        };
        match message::change(rest) {
            Some(change) => {
                let change = Arc::new(change);
                for (_, follower) in followers {
                    follower.send(&change);
                }
            }
            // Empty where it would have been too big.
            None => {
                for (_, follower) in followers {
                    follower.gap();
                }
            }
        }
    }

    /// What the connection before this one lost says nothing about it.
    async fn forget_what_was_lost(&self) {
        let _ = timeout(Duration::ZERO, self.lost.notified()).await;
    }

    fn follows(&self, channel: &[u8]) -> bool {
        let state = self.state();
        state.buckets.keys().any(|bucket| self.keys.channel(*bucket).as_bytes() == channel)
    }

    /// Everybody who follows a room must read it again.
    fn gap(&self) {
        self.state().buckets.values().for_each(Followed::gap);
    }

    fn disconnected(&self) {
        self.is_connected.store(false, Ordering::Relaxed);
        self.state().buckets.values_mut().for_each(Followed::unsubscribed);
    }

    /// Buckets with followers: all of them, or those that are not subscribed yet.
    fn wanted(&self, also_subscribed: bool) -> Vec<Bucket> {
        let state = self.state();
        let is_wanted = |followed: &Followed| also_subscribed || !*followed.is_subscribed.borrow();
        let wanted = state.buckets.iter().filter(|(_, followed)| is_wanted(followed));
        wanted.map(|(bucket, _)| *bucket).collect()
    }

    /// Subscribes buckets, and tells those who wait for them.
    async fn subscribe(
        &self,
        connection: &Subscription,
        buckets: &[Bucket],
    ) -> Result<(), StoreError> {
        let at_once = channels_at_once(connection);
        let subscribing: Vec<_> = buckets
            .chunks(at_once)
            .map(|buckets| self.subscribe_some(connection.clone(), buckets.to_vec()))
            .collect();
        let results: Vec<_> =
            stream::iter(subscribing).buffer_unordered(COMMANDS_AT_ONCE).collect().await;
        // On a Cluster one master may be gone, and the others work on: what failed is tried again with the next re-issue.
        let may_go_on = connection.is_cluster() && results.iter().any(Result::is_ok);
        match results.into_iter().find_map(Result::err) {
            Some(error) if !may_go_on => Err(error),
            _ => Ok(()),
        }
    }

    async fn subscribe_some(
        &self,
        mut connection: Subscription,
        buckets: Vec<Bucket>,
    ) -> Result<(), StoreError> {
        let channels = self.channels(&buckets);
        let answer = answered(connection.subscribe(&channels)).await;
        let mut state = self.state();
        for bucket in &buckets {
            if let Some(followed) = state.buckets.get_mut(bucket) {
                match &answer {
                    Ok(()) => followed.subscribed(),
                    Err(_) => followed.unsubscribed(),
                }
            }
        }
        answer
    }

    fn channels(&self, buckets: &[Bucket]) -> Vec<String> {
        buckets.iter().map(|bucket| self.keys.channel(*bucket)).collect()
    }

    /// Ends the subscriptions of buckets that nobody has followed for a while.
    async fn unsubscribe_idle(&self, connection: &mut Subscription) -> Result<(), StoreError> {
        let idle: Vec<_> = {
            let mut state = self.state();
            let is_idle =
                |followed: &Followed| followed.idle_since.is_some_and(|at| at.elapsed() > LINGER);
            state
                .buckets
                .extract_if(|_, followed| is_idle(followed))
                .map(|(bucket, _)| bucket)
                .collect()
        };
        for buckets in idle.chunks(channels_at_once(connection)) {
            answered(connection.unsubscribe(&self.channels(buckets))).await?;
        }
        Ok(())
    }
}

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

/// Connects, and connects again, for as long as somebody holds the subscriber.
async fn run(link: Arc<Link>, shared: Weak<Shared>) {
    let watched = Arc::clone(&link);
    let _watching =
        AbortOnDropHandle::new(tokio::spawn(async move { watched.watch_nodes().await }));
    let mut retry_after = FIRST_RETRY;
    let mut is_told = false;
    while let Some(connecting) = shared.upgrade() {
        connecting.forget_what_was_lost().await;
        let pushed = Weak::clone(&shared);
        let connected = link
            .subscriber(move |push| {
                if let Some(shared) = pushed.upgrade() {
                    shared.on_push(&push);
                }
            })
            .await;
        let error = match connected {
            Ok(connection) => {
                drop(connecting);
                let Err(error) = serve(connection, &link, &shared).await else { return };
                error
            }
            Err(error) => Lost::Failed(error),
        };
        let Some(shared) = shared.upgrade() else { return };
        if shared.is_connected.load(Ordering::Relaxed) {
            retry_after = FIRST_RETRY;
            is_told = false;
            shared.metrics.resubscribed();
        }
        if !is_told {
            let error = Chain(&error);
            warn!(%error, "no subscription to Redis; subscribing again");
            is_told = true;
        }
        shared.disconnected();
        drop(shared);
        sleep(retry_after.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        retry_after = (retry_after * 2).min(MAX_RETRY);
    }
}

/// Serves one connection until it fails, or until nobody holds the subscriber.
async fn serve(
    mut connection: Subscription,
    link: &Link,
    shared: &Weak<Shared>,
) -> Result<(), Lost> {
    let Some(starting) = shared.upgrade() else { return Ok(()) };
    answered(connection.subscribe(std::slice::from_ref(&starting.probe))).await?;
    let wanted = starting.wanted(true);
    starting.subscribe(&connection, &wanted).await?;
    starting.is_connected.store(true, Ordering::Relaxed);
    info!(buckets = wanted.len(), "subscribed to Redis");
    drop(starting);

    let mut pings = every(PING_EVERY);
    let mut probes = every(PROBE_EVERY);
    let mut reissues = every(REISSUE_EVERY);
    let mut missed = 0;
    let mut probe_sent = shared.upgrade().map_or(0, |shared| shared.probed.load(Ordering::Relaxed));
    loop {
        let Some(serving) = shared.upgrade() else { return Ok(()) };
        tokio::select! {
            () = serving.wanted.notified() => {
                let wanted = serving.wanted(false);
                serving.subscribe(&connection, &wanted).await?;
            }
            () = serving.lost.notified() => {
                if !connection.is_cluster() {
                    return Err(Lost::Closed);
                }
                // Of which node is not said.
                let wanted = serving.wanted(true);
                serving.subscribe(&connection, &wanted).await?;
                serving.gap();
            }
            () = link.moved.notified() => {
                return Err(Lost::Moved);
            }
            _ = pings.tick() => {
                serving.unsubscribe_idle(&mut connection).await?;
                let answer = timeout(PING_EVERY, connection.ping()).await;
                missed = if matches!(answer, Ok(Ok(()))) { 0 } else { missed + 1 };
                if missed >= MAX_MISSED {
                    return Err(Lost::Silent);
                }
            }
            _ = probes.tick() => {
                if probe_sent > serving.probed.load(Ordering::Relaxed) {
                    return Err(Lost::Deaf);
                }
                let publish = if connection.is_cluster() { "SPUBLISH" } else { "PUBLISH" };
                let mut probe = redis::cmd(publish);
                probe.arg(&serving.probe).arg(probe_sent + 1);
                if link.query::<()>(&probe).await.is_ok() {
                    probe_sent += 1;
                }
            }
            _ = reissues.tick(), if connection.is_cluster() => {
                let wanted = serving.wanted(true);
                serving.subscribe(&connection, &wanted).await?;
            }
        }
    }
}

/// Each of a Cluster's channels has a slot of its own.
fn channels_at_once(connection: &Subscription) -> usize {
    if connection.is_cluster() { 1 } else { CHANNELS_AT_ONCE }
}

async fn answered(answer: impl Future<Output = redis::RedisResult<()>>) -> Result<(), StoreError> {
    match timeout(ACKNOWLEDGE_TIMEOUT, answer).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(failed(&error)),
        Err(_) => Err(not_acknowledged()),
    }
}

fn not_acknowledged() -> StoreError {
    StoreError::TimedOut(Cause::new("the subscription was not acknowledged"))
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
