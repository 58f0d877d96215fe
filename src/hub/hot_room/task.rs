//! Opens a hot room, and waits for its inputs until nobody watches it any longer.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};
use tracing::debug;

use crate::{
    error_chain::Chain,
    presence::{Completeness, Knowledge, Room, Version},
    reconcile::Watched,
    store::{Feed, FeedMessage, Position, StoreError},
};

use super::{
    super::{list::List, metrics::ResyncCause, room_topic::RoomTopic, shared::Shared},
    pending::Pending,
};

/// A room stays hot this long after its last subscriber has left, because most come back at once.
const LINGER: Duration = Duration::from_secs(5);
/// The position of a hot room is compared with the store's at least this often.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_secs(30);
/// The keys of a hot room are renewed this often.
pub(super) const RENEWAL_INTERVAL: Duration = Duration::from_mins(5);

/// Follows one room while somebody watches it.
///
/// Its inputs: the store's feed, ended comparisons with LiveKit's list, the end of a coalescing window, the regular check,
/// subscribers that claim a later version, the departure of the last subscriber, and the end of the linger after it.
pub(in crate::hub) struct HotRoom {
    pub(super) shared: Arc<Shared>,
    pub(super) room: Arc<RoomTopic>,
    feed: Feed,
    /// Has the room compared with LiveKit's list regularly.
    pub(super) watched: Option<Watched>,
    /// The room as of the last change that was folded in.
    pub(super) list: List,
    pub(super) version: Version,
    /// What is known of the list. It is lost while it shows people whom the store lost: they stay in it until LiveKit says who is
    /// inside.
    pub(super) knowledge: Knowledge,
    /// When the room was last read. Changes that are older than that reading may arrive for a while after it.
    pub(super) read_at: Instant,
    /// When to look at the store on behalf of subscribers that claim a later version; none while no subscriber does.
    pub(super) look_at: Option<Instant>,
    pub(super) look_not_before: Instant,
    /// The version of the last published snapshot.
    pub(super) published: Version,
    /// What has changed since then.
    pub(super) pending: Option<Pending>,
    /// Changes wait until then.
    pub(super) window_ends: Instant,
    pub(super) next_check: Instant,
    pub(super) next_renewal: Instant,
    linger_ends: Option<Instant>,
}

impl HotRoom {
    pub async fn run(shared: Arc<Shared>, room: Arc<RoomTopic>, may_look_up: bool) {
        // What is rare is boxed, here and below, so that the task has no memory for it most of the time.
        let opening = Box::pin(Self::open(Arc::clone(&shared), Arc::clone(&room), may_look_up));
        match opening.await {
            Ok(opened) => opened.follow().await,
            Err(error) => {
                debug!(room.name = %room.name(), error = %Chain(&error), "cannot open a room");
                shared.rooms.give_up(&room, error);
            }
        }
    }

    /// Follows the feed before it reads the room, so that no change falls between the two.
    async fn open(
        shared: Arc<Shared>,
        room: Arc<RoomTopic>,
        may_look_up: bool,
    ) -> Result<Box<Self>, StoreError> {
        let feed = shared.lookup.store.follow(room.name()).await?;
        let watched = shared.lookup.watch(room.name());
        let (stored, _) = shared.lookup.read_or_ask(room.name(), || may_look_up).await?;
        let position = stored.as_deref().map(Position::of);
        let completeness = shared.lookup.completeness(room.name(), position);
        let mut opened = Box::new(Self::new(shared, room, feed, watched));
        opened.begin(&stored.unwrap_or_default(), completeness, may_look_up);
        Ok(opened)
    }

    fn new(
        shared: Arc<Shared>,
        room: Arc<RoomTopic>,
        feed: Feed,
        watched: Option<Watched>,
    ) -> Self {
        let now = Instant::now();
        Self {
            shared,
            room,
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
            next_check: now + jittered(CHECK_INTERVAL),
            next_renewal: now + RENEWAL_INTERVAL,
            linger_ends: Some(now + LINGER),
        }
    }

    /// Publishes the list that was read first.
    fn begin(&mut self, stored: &Room, completeness: Completeness, may_look_up: bool) {
        self.take_over(stored);
        self.knowledge = completeness.into();
        self.put_out(None, None);
        self.room.topic().announced();
        let is_held = self.version != Version::ZERO;
        let lookup = &self.shared.lookup;
        if !lookup.is_complete(completeness) && (is_held || may_look_up) {
            lookup.suspect(self.room.name());
        }
        if stored.has_somebody_called() {
            lookup.somebody_is_called(self.room.name());
        }
        debug!(room.name = %self.room.name(), version = %self.version, "opened a room");
    }

    async fn follow(mut self: Box<Self>) {
        let mut timer = pin!(sleep_until(self.next_due()));
        loop {
            let due = self.next_due();
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            tokio::select! {
                message = self.feed.next() => match message {
                    Some(FeedMessage::Changed(change)) => {
                        if let Some(cause) = self.on_change(&change) {
                            Box::pin(self.resync(cause)).await;
                        }
                    }
                    Some(FeedMessage::Gap) => Box::pin(self.resync(ResyncCause::Feed)).await,
                    Some(FeedMessage::Roster) => {}
                    None => return,
                },
                () = confirmed(&mut self.watched) => Box::pin(self.on_confirmed()).await,
                () = self.room.behind(), if self.look_at.is_none() => {
                    self.look_at = Some(self.look_not_before.max(Instant::now()));
                }
                () = self.room.topic().idle() => self.linger_ends = Some(Instant::now() + LINGER),
                () = &mut timer => {
                    if self.is_left() {
                        return;
                    }
                    self.on_due().await;
                }
            }
        }
    }

    /// When the first of what happens at a time has to.
    fn next_due(&self) -> Instant {
        let window = self.pending.as_ref().map(|_| self.window_ends);
        let times = [window, self.look_at, self.linger_ends];
        times.into_iter().flatten().fold(self.next_check, Instant::min)
    }

    async fn on_due(&mut self) {
        let now = Instant::now();
        if self.pending.is_some() && self.window_ends <= now {
            self.publish();
        }
        if self.look_at.is_some_and(|at| at <= now) {
            Box::pin(self.on_behind()).await;
        }
        if self.next_check <= now {
            Box::pin(self.on_check()).await;
        }
    }

    /// Whether nobody has come back to the room in time.
    fn is_left(&mut self) -> bool {
        if self.linger_ends.is_none_or(|at| at > Instant::now()) {
            return false;
        }
        self.linger_ends = None;
        let is_left = self.shared.rooms.leave_if_idle(&self.room);
        if is_left {
            debug!(room.name = %self.room.name(), "closed an idle room");
        }
        is_left
    }
}

/// Resolves when a comparison with LiveKit's list has ended. Never resolves where LiveKit's API is not configured.
async fn confirmed(watched: &mut Option<Watched>) {
    match watched {
        Some(watched) => watched.confirmed().await,
        None => std::future::pending().await,
    }
}

/// A random time between two thirds of `time` and all of it, so that rooms do not act at the same moment.
pub(super) fn jittered(time: Duration) -> Duration {
    time.mul_f64(fastrand::f64() / 3.0 + 2.0 / 3.0)
}
