//! The task that keeps the roster of a room while somebody on this instance watches it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info, warn};

use crate::{
    error_chain::Chain,
    history::{ReadRoster, ReadingError},
    hub::{FollowedList, RosterChange, RosterTopic, RosterTotals, Snapshot},
    json,
    presence::{StoreTime, Version},
    store::{Feed, FeedMessage, StoreError},
};

use super::{entry::RosterEntry, error::as_store_error, handle::Shared, view::RosterView};

/// The database is read at least this often, in case a message was lost.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);
/// After somebody left, the history has it within this time, unless it is behind.
const HISTORY_DELAY: Duration = Duration::from_secs(2);
/// A roster is kept this long after its last subscriber has left, because most come back at once.
const LINGER: Duration = Duration::from_secs(5);
const MIN_RETRY_DELAY: Duration = Duration::from_millis(250);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(10);

type Reading = AbortOnDropHandle<Result<ReadRoster, ReadingError>>;

/// Keeps the roster of one room.
///
/// Its inputs: the room's list, word that the roster was changed, the answers of the database, the end of a coalescing window, and
/// the departure of the last subscriber.
pub(super) struct LiveRoster {
    shared: Arc<Shared>,
    topic: RosterTopic,
    feed: Feed,
    list: FollowedList,
    /// The version of the list that was taken over last.
    held: Version,
    view: RosterView,
    /// What subscribers were sent.
    entries: BTreeMap<String, Encoded>,
    /// Whose entries may be different from that.
    touched: BTreeSet<String>,
    /// Changes wait until then.
    window_ends: Instant,
    /// The database is being read.
    reading: Option<Reading>,
    /// When it is read next.
    read_at: Instant,
    /// How long to wait after a reading that failed. None after one that succeeded.
    retry_delay: Option<Duration>,
    linger_ends: Option<Instant>,
}

/// An entry, encoded once for every frame that it is in.
struct Encoded {
    entry: RosterEntry,
    json: Arc<[u8]>,
}

impl LiveRoster {
    pub async fn run(shared: Arc<Shared>, topic: RosterTopic) {
        match Self::open(&shared, &topic).await {
            Ok((feed, list, read)) => Self::begin(shared, topic, feed, list, read).follow().await,
            Err(error) => {
                debug!(room.name = %topic.room(), error = %Chain(&error), "cannot read a roster");
                topic.give_up(error);
            }
        }
    }

    /// Follows the room before anything is read, so that no change falls between the two.
    async fn open(
        shared: &Shared,
        topic: &RosterTopic,
    ) -> Result<(Feed, FollowedList, ReadRoster), StoreError> {
        let room = topic.room();
        let feed = shared.store.follow(room).await?;
        let list = shared.hub.follow_list(room).await?;
        let read = shared.history.reader().roster(room).await.map_err(as_store_error)?;
        Ok((feed, list, read))
    }

    /// Puts out the roster as it was read first.
    fn begin(
        shared: Arc<Shared>,
        topic: RosterTopic,
        feed: Feed,
        list: FollowedList,
        read: ReadRoster,
    ) -> Self {
        let newest = list.newest();
        let participants = newest.as_ref().into_iter().flat_map(|list| list.participants());
        let view = RosterView::new(Arc::clone(&shared.roles), read, participants);
        let entries = view.entries().into_iter().map(Encoded::keyed).collect();
        let now = Instant::now();
        let mut begun = Self {
            shared,
            topic,
            feed,
            list,
            held: newest.map_or(Version::ZERO, |newest| newest.version()),
            view,
            entries,
            touched: BTreeSet::new(),
            window_ends: now,
            reading: None,
            read_at: now + jittered(CHECK_INTERVAL),
            retry_delay: None,
            linger_ends: Some(now + LINGER),
        };
        begun.topic.begin(begun.now(), begun.totals(), begun.encoded());
        begun
    }

    async fn follow(mut self) {
        loop {
            tokio::select! {
                message = self.feed.next() => match message {
                    Some(FeedMessage::Roster | FeedMessage::Gap) => self.read_at = Instant::now(),
                    Some(FeedMessage::Changed(_)) => {}
                    None => return,
                },
                list = self.list.other_than(self.held) => self.on_list(&list),
                read = answered(&mut self.reading) => self.on_read(read),
                () = sleep_until(self.read_at), if self.reading.is_none() => self.read(),
                () = sleep_until(self.window_ends), if !self.touched.is_empty() => self.publish(),
                () = self.topic.idle() => self.linger_ends = Some(Instant::now() + LINGER),
                () = at(self.linger_ends) => {
                    self.linger_ends = None;
                    if self.topic.leave_if_idle() {
                        debug!(room.name = %self.topic.room(), "closed an idle roster");
                        return;
                    }
                }
            }
        }
    }

    fn on_list(&mut self, list: &Snapshot) {
        self.held = list.version();
        let mut change = self.view.set_inside(list.participants(), self.shared.now());
        self.touched.append(&mut change.touched);
        if change.is_history {
            self.read_at = self.read_at.min(Instant::now() + HISTORY_DELAY);
        }
    }

    /// Reads the database beside the other inputs, since it may not answer.
    fn read(&mut self) {
        self.read_at = Instant::now() + jittered(CHECK_INTERVAL);
        let (shared, room) = (Arc::clone(&self.shared), self.topic.room().clone());
        let reading = async move { shared.history.reader().roster(&room).await };
        self.reading = Some(AbortOnDropHandle::new(tokio::spawn(reading)));
    }

    /// If the reading failed, subscribers keep the roster as it is.
    fn on_read(&mut self, read: Result<ReadRoster, ReadingError>) {
        self.reading = None;
        match read {
            Ok(read) => {
                if self.retry_delay.take().is_some() {
                    info!(room.name = %self.topic.room(), "the roster can be read again");
                }
                let mut touched = self.view.set_read(read, self.shared.now());
                self.touched.append(&mut touched);
            }
            Err(error) => {
                if self.retry_delay.is_none() {
                    let (room, error) = (self.topic.room(), Chain(&error));
                    warn!(room.name = %room, %error, "cannot read a roster again; those who watch it keep what they have");
                }
                let delay = self.retry_delay.map_or(MIN_RETRY_DELAY, |delay| delay * 2);
                let delay = delay.min(MAX_RETRY_DELAY);
                self.retry_delay = Some(delay);
                self.read_at = self.read_at.min(Instant::now() + delay);
            }
        }
    }

    /// Publishes what is different. If anything is, opens a window in which later changes wait.
    fn publish(&mut self) {
        let mut change = RosterChange::default();
        for identity in std::mem::take(&mut self.touched) {
            match self.view.entry(&identity) {
                Some(entry) => {
                    if self.entries.get(&identity).is_none_or(|before| before.entry != entry) {
                        let (identity, encoded) = Encoded::keyed(entry);
                        change.changed.push(Arc::clone(&encoded.json));
                        self.entries.insert(identity, encoded);
                    }
                }
                None => {
                    if self.entries.remove(&identity).is_some() {
                        change.removed.push(identity);
                    }
                }
            }
        }
        if !change.changed.is_empty() || !change.removed.is_empty() {
            let (now, totals, encoded) = (self.now(), self.totals(), self.encoded());
            let window = self.topic.publish(now, totals, encoded, &change);
            self.window_ends = Instant::now() + window;
        }
    }

    fn totals(&self) -> RosterTotals {
        let online_count = self.entries.values().filter(|one| one.entry.is_online()).count();
        RosterTotals { online_count, total_count: self.entries.len() }
    }

    fn encoded(&self) -> Vec<Arc<[u8]>> {
        self.entries.values().map(|one| Arc::clone(&one.json)).collect()
    }

    /// The store's time as a version.
    fn now(&self) -> Version {
        let micros = self.shared.store.estimated_now().map(StoreTime::as_micros);
        Version::from_u64(micros.unwrap_or_else(|| self.shared.clock.now().as_micros()))
    }
}

impl Encoded {
    fn keyed(entry: RosterEntry) -> (String, Self) {
        let json = json::line(&entry).into();
        (entry.identity.clone(), Self { entry, json })
    }
}

/// The answer of the database. Never resolves while it is not being asked.
async fn answered(reading: &mut Option<Reading>) -> Result<ReadRoster, ReadingError> {
    match reading {
        Some(asked) => asked.await.unwrap_or(Err(ReadingError::Busy)),
        None => std::future::pending().await,
    }
}

/// Resolves at this moment; never without one.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// A random time between two thirds of `time` and all of it, so that rosters are not read at the same moment.
fn jittered(time: Duration) -> Duration {
    time.mul_f64(fastrand::f64() / 3.0 + 2.0 / 3.0)
}
