//! The task of one hot room.

use std::{cmp::Ordering, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, warn};

use crate::{
    presence::{Change, Completeness, HostTime, Knowledge, Room, Version, ViewDiff},
    reconcile::Watched,
    store::{Feed, FeedMessage, Position, StoreError},
};

use super::{Inner, Snapshot, Topic, View, list::List, metrics::ResyncCause, snapshot::Delta};

/// A room stays hot this long after its last subscriber: most come back at once.
const LINGER: Duration = Duration::from_secs(5);
/// The position of a hot room is compared with the store's at least this often.
const CHECK_EVERY: Duration = Duration::from_secs(30);
/// A hot room's keys are renewed this often.
const RENEW_EVERY: Duration = Duration::from_mins(5);
/// The window of a room grows so that its frames stay below this many bytes a second, all subscribers together.
const FRAME_BYTES_PER_SEC: usize = 400_000_000;
/// A smaller frame takes about as long as one of this many bytes: writing it is a system call.
const MIN_FRAME_BYTES: usize = 2 * 1024;
/// But no list is held back longer than this.
const MAX_WINDOW: Duration = Duration::from_secs(1);
/// Changes that were published before a room was read arrive within this time after it.
const LATE: Duration = Duration::from_secs(2);
/// How long changes of a list that is not the store's are held back.
const KEPT_BACK: Duration = Duration::from_secs(2);
/// However many subscribers say that they were sent a later version elsewhere, the store is looked at no more often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const FIRST_RETRY: Duration = Duration::from_millis(50);
const MAX_RETRY: Duration = Duration::from_secs(1);

/// Follows one room while somebody watches it.
///
/// Its inputs: the store's feed, confirmations by LiveKit, the end of a coalescing window, the regular check, the last
/// subscriber's leaving, and the end of the linger after it.
pub(super) struct HotRoom {
    hub: Arc<Inner>,
    topic: Arc<Topic>,
    feed: Feed,
    /// Has it compared with LiveKit's list regularly.
    watched: Option<Watched>,
    /// The room as of the last change that was folded in.
    list: List,
    version: Version,
    /// What is known of the list. It is lost where people are in it of whom the store, which lost them, knows nothing: they are
    /// kept until LiveKit says who is inside.
    knowledge: Knowledge,
    /// When the room was read last. Changes that are older may arrive for a while after that.
    read_at: Instant,
    /// When the store is looked at for the sake of subscribers that say they were sent a later version; and not before.
    look_at: Option<Instant>,
    look_not_before: Instant,
    /// The version of the last snapshot that went out.
    published: Version,
    /// What became different since then.
    pending: Option<Pending>,
    /// Until then changes wait.
    window_ends: Instant,
    next_check: Instant,
    next_renewal: Instant,
    linger_ends: Option<Instant>,
}

/// Changes that wait for the end of the window.
#[derive(Default)]
struct Pending {
    diff: ViewDiff,
    received_at: Option<HostTime>,
}

impl HotRoom {
    pub async fn run(hub: Arc<Inner>, topic: Arc<Topic>, may_look_up: bool) {
        match Self::open(Arc::clone(&hub), Arc::clone(&topic), may_look_up).await {
            Ok(room) => room.follow().await,
            Err(error) => {
                debug!(room.name = %topic.name(), %error, "cannot open a room");
                hub.give_up(&topic, error);
            }
        }
    }

    /// Follows first and reads then, so that no change falls between the two.
    async fn open(
        hub: Arc<Inner>,
        topic: Arc<Topic>,
        may_look_up: bool,
    ) -> Result<Self, StoreError> {
        let feed = hub.store.follow(topic.name()).await?;
        let watched = hub.reconciler.as_ref().map(|reconciler| reconciler.watch(topic.name()));
        let (stored, _) = hub.read_or_ask(topic.name(), || may_look_up).await?;
        let position = stored.as_deref().map(Position::of);
        let completeness = hub.completeness(topic.name(), position);
        let stored = stored.unwrap_or_default();
        let now = Instant::now();
        let mut room = Self {
            hub,
            topic,
            feed,
            watched,
            list: List::default(),
            version: Version::ZERO,
            knowledge: Knowledge::default(),
            read_at: now,
            look_at: None,
            look_not_before: now,
            published: Version::ZERO,
            pending: None,
            window_ends: now,
            next_check: now + jittered(CHECK_EVERY),
            next_renewal: now + RENEW_EVERY,
            linger_ends: Some(now + LINGER),
        };
        room.take_over(&stored);
        room.knowledge = completeness.into();
        room.put_out(None, None);
        room.topic.announced();
        let is_held = room.version != Version::ZERO;
        if !room.hub.is_complete(completeness) && (is_held || may_look_up) {
            room.hub.suspect(room.topic.name());
        }
        if stored.has_somebody_called() {
            room.hub.somebody_is_called(room.topic.name());
        }
        debug!(room.name = %room.topic.name(), version = %room.version, "opened a room");
        Ok(room)
    }

    async fn follow(mut self) {
        loop {
            tokio::select! {
                message = self.feed.next() => match message {
                    Some(FeedMessage::Changed(change)) => self.on_change(&change).await,
                    Some(FeedMessage::Gap) => self.resync(ResyncCause::Feed).await,
                    None => return,
                },
                () = confirmed(&mut self.watched) => self.on_confirmed().await,
                () = sleep_until(self.window_ends), if self.pending.is_some() => self.publish(),
                () = sleep_until(self.next_check) => self.on_check().await,
                () = self.topic.behind(), if self.look_at.is_none() => {
                    self.look_at = Some(self.look_not_before.max(Instant::now()));
                }
                () = at(self.look_at) => self.on_behind().await,
                () = self.topic.idle() => self.linger_ends = Some(Instant::now() + LINGER),
                () = at(self.linger_ends) => {
                    self.linger_ends = None;
                    if self.hub.leave_if_idle(&self.topic) {
                        debug!(room.name = %self.topic.name(), "closed an idle room");
                        return;
                    }
                }
            }
        }
    }

    async fn on_change(&mut self, change: &Change) {
        if change.version <= self.version {
            if self.read_at.elapsed() > LATE {
                // Not late: the store's version fell back.
                self.resync(ResyncCause::Fallback).await;
            }
            return;
        }
        let is_mended = self.knowledge.is_lost() && !change.completeness.is_partial();
        if change.prev != self.version || is_mended {
            self.resync(ResyncCause::Gap).await;
            return;
        }
        let pending = self.pending.get_or_insert_default();
        self.list.fold(change, &mut pending.diff);
        pending.received_at = pending.received_at.or(change.received_at);
        if change.joined.iter().chain(&change.updated).any(|one| one.profile.is_being_called()) {
            self.hub.somebody_is_called(self.topic.name());
        }
        self.version = change.version;
        self.knowledge.told(change.completeness);
        if change.completeness.is_partial() {
            self.hub.suspect(self.topic.name());
        }
        // Otherwise it goes out at the window's end. Without anything to send nobody wakes up for that.
        if Instant::now() >= self.window_ends {
            self.publish();
        }
    }

    /// LiveKit's list agrees with what the store held just now. Which may be something newer than what is held here.
    async fn on_confirmed(&mut self) {
        match self.hub.store.position(self.topic.name()).await {
            Ok(stored) => {
                let version = stored.map_or(Version::ZERO, |stored| stored.version);
                if version == self.version {
                    self.is_as_stored(stored).await;
                }
            }
            Err(error) => self.on_store_error(&error),
        }
    }

    /// The store has the version that is held.
    async fn is_as_stored(&mut self, stored: Option<Position>) {
        let completeness = self.hub.completeness(self.topic.name(), stored);
        if self.knowledge.is_lost() && !completeness.is_partial() {
            return self.resync(ResyncCause::Check).await;
        }
        self.told(completeness);
        // A room that the store does not hold may have lost everybody.
        let is_settled = self.version != Version::ZERO
            || self.hub.reconciler.is_none()
            || self.hub.is_complete(completeness);
        if is_settled && self.published == self.version && self.topic.take_subscribers_ahead() {
            self.settle();
        }
    }

    /// A message of the feed may have been lost without a trace: compare.
    async fn on_check(&mut self) {
        self.next_check = Instant::now() + jittered(CHECK_EVERY);
        match self.hub.store.position(self.topic.name()).await {
            Ok(stored) => {
                let version = stored.map_or(Version::ZERO, |stored| stored.version);
                match version.cmp(&self.version) {
                    // A change may be on its way; only if it does not come was something lost.
                    Ordering::Greater => self.resync(ResyncCause::Check).await,
                    Ordering::Less => self.resync(ResyncCause::Fallback).await,
                    Ordering::Equal => self.is_as_stored(stored).await,
                }
            }
            Err(error) => self.on_store_error(&error),
        }
        if Instant::now() >= self.next_renewal {
            self.next_renewal = Instant::now() + RENEW_EVERY;
            if let Err(error) = self.hub.store.renew(self.topic.name()).await {
                self.on_store_error(&error);
            }
        }
    }

    /// Subscribers say that they were sent a later version elsewhere. Anybody can say so: the store's position is looked at, once for
    /// all of them, and what it says is all that counts.
    async fn on_behind(&mut self) {
        self.look_at = None;
        self.look_not_before = Instant::now() + LOOK_EVERY;
        let look = self.topic.begin_look();
        let stored = match self.hub.store.position(self.topic.name()).await {
            Ok(stored) => stored.map_or(Version::ZERO, |stored| stored.version),
            Err(error) => {
                debug!(room.name = %self.topic.name(), %error, "cannot look for a later version");
                return;
            }
        };
        match stored.cmp(&self.version) {
            Ordering::Greater => self.resync(ResyncCause::Subscriber).await,
            Ordering::Less => self.resync(ResyncCause::Fallback).await,
            Ordering::Equal => {}
        }
        self.topic.end_look(look, stored.max(self.version));
    }

    /// What subscribers were sent elsewhere is lost for good: those who kept it are sent what there is.
    fn settle(&self) {
        if let Some(newest) = self.topic.newest() {
            let newest = Arc::new(newest.replacing_later());
            self.topic.publish(newest, self.knowledge.completeness());
            self.hub.watchers.room_changed(&self.topic);
            self.topic.announced();
        }
    }

    /// Reads the room again, until that succeeds; meanwhile its subscribers keep the last list.
    async fn resync(&mut self, cause: ResyncCause) {
        self.hub.metrics.resynced(cause);
        let mut retry_after = FIRST_RETRY;
        while let Err(error) = self.read_again().await {
            self.on_store_error(&error);
            sleep(jittered(retry_after)).await;
            retry_after = (retry_after * 2).min(MAX_RETRY);
        }
        self.read_at = Instant::now();
    }

    async fn read_again(&mut self) -> Result<(), StoreError> {
        let held = self.version;
        let name = self.topic.name().clone();
        // When Redis comes back, all rooms are read again.
        let hub = Arc::clone(&self.hub);
        let _place = hub.reading_again.acquire().await;
        let mut stored = self.hub.store.read(&name).await?;
        let is_lost = stored.as_ref().map_or(Version::ZERO, |stored| stored.version()) < held;
        if is_lost {
            warn!(room.name = %name, "the store lost what it had acknowledged");
            self.hub.store.advance(&name, held).await?;
            self.hub.suspect(&name);
            stored = self.hub.store.read(&name).await?;
        }
        let Some(stored) = stored else { return Ok(()) };
        if self.is_to_be_kept(&stored, is_lost) {
            self.take_in(&stored);
            self.version = stored.version();
            self.knowledge = Knowledge::LOST;
            self.topic.known_to_be(self.knowledge.completeness());
            self.hub.suspect(&name);
            // The store's own list may be shown elsewhere by the version that the next change makes. LiveKit's answer, which
            // raises it, comes first where it comes at all.
            self.window_ends = self.window_ends.max(Instant::now() + KEPT_BACK);
        } else if stored.version() > self.version || self.knowledge.is_lost() {
            self.take_over(&stored);
            self.publish();
        } else {
            self.told(stored.completeness());
        }
        Ok(())
    }

    /// The store holds what is held here, and says this of it.
    fn told(&mut self, completeness: Completeness) {
        self.knowledge.told(completeness);
        self.topic.known_to_be(self.knowledge.completeness());
    }

    /// Whether the store lost whom we show. LiveKit is asked, where it can be, and until then they are shown.
    fn is_to_be_kept(&self, stored: &Room, is_lost: bool) -> bool {
        let is_another = stored.version() != self.version || self.knowledge.is_lost();
        // Where nobody was shown here, somebody was elsewhere.
        let is_shown = self.published != Version::ZERO || is_lost;
        stored.is_lost() && is_another && is_shown && self.hub.reconciler.is_some()
    }

    fn on_store_error(&self, error: &StoreError) {
        self.topic.known_to_be(Completeness::Partial);
        debug!(room.name = %self.topic.name(), %error, "cannot read a hot room again");
    }

    /// Adds those whom the store has to those whom it lost, and takes out who has left since.
    fn take_in(&mut self, stored: &Room) {
        let mut pending = self.pending.take().unwrap_or_default();
        self.list.retain(|sid| !stored.is_gone(sid), &mut pending.diff);
        self.list.fold_in(stored.list(), &mut pending.diff);
        // An empty list of which nothing is known is not put out.
        self.pending = (!pending.diff.is_empty()).then_some(pending);
    }

    /// Replaces what is held by what the store has.
    fn take_over(&mut self, stored: &Room) {
        let pending = self.pending.get_or_insert_default();
        self.list.touch_all(&mut pending.diff);
        self.list = List::new(stored.list());
        for entry in &*self.list.entries() {
            pending.diff.touch(&entry.participant.identity, || None);
        }
        self.version = stored.version();
        self.knowledge = stored.completeness().into();
    }

    /// Puts out a snapshot, tells who watches, and opens a window.
    fn publish(&mut self) {
        let Pending { diff, received_at } = self.pending.take().unwrap_or_default();
        let (joined, updated, left) = diff.finish(|identity| self.list.get(identity).cloned());
        let delta = Delta { prev: self.published, joined, updated, left };
        let snapshot = self.put_out(Some(delta), received_at);
        self.hub.watchers.room_changed(&self.topic);
        self.topic.announced();
        self.hub.metrics.published();
        let window = self.window(&snapshot);
        self.window_ends = Instant::now() + window;
    }

    fn put_out(&mut self, delta: Option<Delta>, received_at: Option<HostTime>) -> Arc<Snapshot> {
        self.pending = None;
        self.published = self.version;
        let before = self.topic.newest();
        let snapshot = Arc::new(Snapshot::new(
            self.topic.name().clone(),
            self.version,
            &self.list,
            delta.map(|delta| (delta, before.as_deref())),
            received_at,
        ));
        for view in [View::Lists, View::Deltas] {
            if self.topic.count(view) > 0 {
                snapshot.encode_for(view);
            }
        }
        self.topic.publish(Arc::clone(&snapshot), self.knowledge.completeness());
        snapshot
    }

    /// How long to hold back what follows: longer for big frames to many subscribers, which would otherwise take all there is.
    fn window(&self, snapshot: &Snapshot) -> Duration {
        let coalesce = self.hub.config.coalesce;
        if coalesce.is_zero() {
            return Duration::ZERO;
        }
        let bytes_of = |view| {
            snapshot.frame_bytes(view).max(MIN_FRAME_BYTES).saturating_mul(self.topic.count(view))
        };
        let bytes = bytes_of(View::Lists).saturating_add(bytes_of(View::Deltas));
        let micros = u64::try_from(bytes / (FRAME_BYTES_PER_SEC / 1_000_000)).unwrap_or(u64::MAX);
        Duration::from_micros(micros).min(MAX_WINDOW).max(coalesce)
    }
}

/// The next confirmation by LiveKit; none ever where its API is not configured.
async fn confirmed(watched: &mut Option<Watched>) {
    match watched {
        Some(watched) => watched.confirmed().await,
        None => std::future::pending().await,
    }
}

/// At a moment, or never.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Between two thirds of a time and all of it, so that rooms do not act together.
fn jittered(time: Duration) -> Duration {
    time.mul_f64(fastrand::f64() / 3.0 + 2.0 / 3.0)
}
