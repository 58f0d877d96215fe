//! The task that keeps the list of rooms while somebody watches all rooms on this instance.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};
use tracing::debug;

use crate::{
    error_chain::Chain,
    hub::{metrics::ListReadCause, shared::Shared, window},
    store::{RoomSummary, RoomsFeed, StoreError, TouchedRooms},
};

use super::list::{RoomList, RoomsDelta};

/// The whole list is read at least this often: for what changes by time alone, and in case a message was lost.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);
/// How often the task looks for prefixes that nobody watches any more.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// The first snapshot waits this long for LiveKit's own list. If that comes later, its rooms come as a change.
const LIVEKIT_TIMEOUT: Duration = Duration::from_millis(100);
const MIN_RETRY_DELAY: Duration = Duration::from_millis(50);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(1);

/// Keeps the list of rooms.
///
/// Its inputs: the names of rooms that are listed differently, LiveKit's own list, the regular check, and the departure of the last
/// subscriber.
pub(in crate::hub) struct Directory {
    shared: Arc<Shared>,
    feed: RoomsFeed,
    /// LiveKit is being asked for its list.
    asking: Option<Asking>,
    /// Names of touched rooms wait until then.
    window_ends: Instant,
    next_check: Instant,
    next_cause: ListReadCause,
    /// How long to wait after a reading that failed.
    retry_delay: Duration,
    next_sweep: Instant,
}

type Asking = JoinHandle<Option<Vec<RoomSummary>>>;

impl Directory {
    pub async fn run(shared: Arc<Shared>) {
        match Self::open(Arc::clone(&shared)).await {
            Ok(directory) => directory.follow().await,
            Err(error) => {
                debug!(error = %Chain(&error), "cannot read the list of rooms");
                shared.all_rooms.give_up(&error);
            }
        }
    }

    /// Follows all rooms before it reads their list, so that no change falls between the two.
    async fn open(shared: Arc<Shared>) -> Result<Self, StoreError> {
        let mut asking = ask_livekit(&shared);
        let feed = shared.lookup.store.follow_rooms().await?;
        let stored = shared.lookup.store.rooms_anew().await?;
        shared.metrics.list_read(ListReadCause::First);
        let now = Instant::now();
        let mut list = RoomList::default();
        list.replace_stored(stored, now);
        if let Some(asked) = &mut asking
            && let Ok(answer) = timeout(LIVEKIT_TIMEOUT, asked).await
        {
            asking = None;
            if let Ok(Some(rooms)) = answer {
                list.replace_livekits(rooms, now);
            }
        }
        debug!(rooms = list.rooms().len(), "follows all rooms");
        shared.all_rooms.begin(list);
        Ok(Self {
            shared,
            feed,
            asking,
            window_ends: now,
            next_check: now + CHECK_INTERVAL,
            next_cause: ListReadCause::Check,
            retry_delay: MIN_RETRY_DELAY,
            next_sweep: now + SWEEP_INTERVAL,
        })
    }

    async fn follow(mut self) {
        loop {
            tokio::select! {
                touched = touched(&mut self.feed, self.window_ends) => match touched {
                    Some(TouchedRooms { is_gap: true, .. }) => self.read_all(ListReadCause::Feed).await,
                    Some(touched) => self.on_touched(touched).await,
                    None => return,
                },
                answer = answered(&mut self.asking) => {
                    self.asking = None;
                    if let Some(rooms) = answer {
                        self.change(|list| list.replace_livekits(rooms, Instant::now()));
                    }
                }
                () = sleep_until(self.next_check) => self.read_all(self.next_cause).await,
                () = sleep_until(self.next_sweep) => {
                    self.next_sweep = Instant::now() + SWEEP_INTERVAL;
                    if self.shared.all_rooms.leave_idle() {
                        debug!("nobody watches all rooms any more");
                        return;
                    }
                }
            }
        }
    }

    async fn on_touched(&mut self, touched: TouchedRooms) {
        let names: Vec<_> = touched.rooms.iter().cloned().collect();
        match self.shared.lookup.store.summaries(&names).await {
            Ok(found) => {
                self.change(|list| list.update(&touched.rooms, found, Instant::now()));
            }
            Err(error) => self.on_store_error(&error),
        }
    }

    /// Reads the whole list, and asks LiveKit for its own. If that fails, subscribers keep the last one.
    async fn read_all(&mut self, cause: ListReadCause) {
        self.asking = self.asking.take().or_else(|| ask_livekit(&self.shared));
        self.shared.metrics.list_read(cause);
        match self.shared.lookup.store.rooms_anew().await {
            Ok(stored) => {
                self.retry_delay = MIN_RETRY_DELAY;
                self.next_cause = ListReadCause::Check;
                self.next_check = Instant::now() + CHECK_INTERVAL;
                self.change(|list| list.replace_stored(stored, Instant::now()));
            }
            Err(error) => self.on_store_error(&error),
        }
    }

    /// What was touched meanwhile is found by a reading of the whole list.
    fn on_store_error(&mut self, error: &StoreError) {
        debug!(error = %Chain(error), "cannot read the list of rooms again");
        self.next_cause = ListReadCause::Retry;
        self.next_check = Instant::now() + self.retry_delay;
        self.retry_delay = (self.retry_delay * 2).min(MAX_RETRY_DELAY);
    }

    /// Changes the list. If something is different, opens a window in which later changes wait.
    fn change(&mut self, change: impl FnOnce(&mut RoomList) -> RoomsDelta) {
        let Shared { all_rooms, watchers, metrics, coalesce, .. } = &*self.shared;
        if let Some(bytes) = all_rooms.change(&**watchers, change) {
            metrics.list_changed();
            self.window_ends = Instant::now() + window::after(bytes, *coalesce);
        }
    }
}

/// Resolves when rooms were touched, but not before the window's end.
async fn touched(feed: &mut RoomsFeed, window_ends: Instant) -> Option<TouchedRooms> {
    sleep_until(window_ends).await;
    feed.next().await
}

/// Asks LiveKit for its rooms, in a task of its own, because the answer may take seconds; none where its API is not configured.
fn ask_livekit(shared: &Shared) -> Option<Asking> {
    let reconciler = shared.lookup.reconciler.clone()?;
    Some(tokio::spawn(async move { reconciler.rooms_of_livekit().await }))
}

/// LiveKit's rooms; none if it could not be asked. Never resolves while it is not being asked.
async fn answered(asking: &mut Option<Asking>) -> Option<Vec<RoomSummary>> {
    match asking {
        Some(asked) => asked.await.ok().flatten(),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use prometheus_client::registry::Registry;
    use tokio::time::sleep;

    use super::*;
    use crate::{
        clock::Clock,
        hub::{
            content::{Content, Next},
            metrics::HubMetrics,
            registry::{Hub, HubConfig},
            snapshot::View,
            topic::{Topic, Watchers},
        },
        presence::{
            Event, EventKind, HostTime, LiveKitTime, RoomLifecycle, RoomName, Rules, Version,
        },
        store::{MemoryStore, Store},
    };

    struct Nobody;

    impl Watchers for Nobody {
        fn topic_changed(&self, _: &Arc<Topic>) {}
    }

    /// A hub over a store with one room, and the store's clock in microseconds.
    async fn hub() -> (Hub, Arc<AtomicU64>) {
        let micros = Arc::new(AtomicU64::new(1_800_000_000_000_000));
        let time = Arc::clone(&micros);
        let clock = Clock::new(move || HostTime::from_micros(time.load(Ordering::Relaxed)));
        let store = Arc::new(MemoryStore::new(Rules::default(), clock));
        let started = Event {
            id: None,
            room: RoomName::parse("general").unwrap(),
            room_sid: None,
            room_created_at: None,
            identity: None,
            created_at: LiveKitTime::from_secs(1_800_000_000),
            received_at: HostTime::default(),
            kind: EventKind::Room(RoomLifecycle::Started),
            details: Arc::default(),
        };
        store.apply(&started).await.unwrap();
        let config = HubConfig { coalesce: Duration::from_millis(50) };
        let metrics = HubMetrics::register(&mut Registry::default());
        (Hub::new(store, None, Arc::new(Nobody), config, metrics), micros)
    }

    fn text_after(content: &Content, sent: Option<u64>) -> String {
        match content.next_for(sent.map(Version::from_u64), View::Deltas) {
            Next::Frame(frame) => String::from_utf8(frame.plain().to_vec()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_by_time_alone_is_found_by_the_regular_check() {
        let (hub, micros) = hub().await;
        let subscription = hub.subscribe_all("").await.unwrap();
        let newest = || subscription.topic().newest().unwrap();
        assert!(text_after(&newest(), None).contains(r#""exact":true"#));
        micros.fetch_add(61_000_000, Ordering::Relaxed);
        sleep(CHECK_INTERVAL - Duration::from_secs(1)).await;
        assert_eq!(newest().version(), Version::from_u64(1));
        sleep(Duration::from_secs(2)).await;
        let delta = text_after(&newest(), Some(1));
        assert!(delta.starts_with("event: rooms:delta\n") && delta.contains(r#""exact":false"#));
    }

    #[tokio::test(start_paused = true)]
    async fn the_list_is_kept_only_while_somebody_watches_it_and_a_moment_after() {
        let (hub, _) = hub().await;
        let first = hub.subscribe_all("gen").await.unwrap();
        let id = first.topic().id();
        drop(first);
        sleep(Duration::from_secs(2)).await;
        let again = hub.subscribe_all("gen").await.unwrap();
        assert_eq!(again.topic().id(), id, "most come back at once");
        drop(again);
        sleep(Duration::from_secs(10)).await;
        let later = hub.subscribe_all("gen").await.unwrap();
        assert_ne!(later.topic().id(), id);
        assert!(text_after(&later.topic().newest().unwrap(), None).contains(r#""general""#));
    }
}
