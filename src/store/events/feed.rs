//! What a follower of the log of events receives: every event in order, or a gap in place of lost ones. What a queue or a
//! connection lost is read from the log before a gap is said.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::{Notify, mpsc},
    time::sleep,
};
use tracing::warn;

use crate::{error_chain::Chain, store::error::StoreError};

use super::{event::FeedEvent, log_id::LogId};

/// Batches that wait for a follower. When there are more, it reads the log.
const QUEUE: usize = 1_024;
/// Events per reading of the log.
const MAX_READ: usize = 1_000;
/// After a failed reading of the log, the next one waits for this long.
const READ_AGAIN: Duration = Duration::from_millis(200);

/// An event with its position.
#[derive(Clone, Debug)]
pub struct LoggedEvent {
    pub id: LogId,
    /// The position before it. Somebody who holds another one has missed something.
    pub prev: LogId,
    pub event: Arc<FeedEvent>,
}

/// What came after a position.
#[derive(Clone, Debug)]
pub struct Resumed {
    /// In order; none where there is a gap.
    pub events: Vec<LoggedEvent>,
    /// Whether the log does not have everything after the position, or the position is none of its own.
    pub is_gap: bool,
    /// Whether there was nothing after them. There may be more also where there are fewer than were asked for.
    pub is_last: bool,
    /// The log's newest position.
    pub newest: LogId,
}

/// What a follower receives.
#[derive(Clone, Debug)]
pub enum EventFeedMessage {
    /// In order, and each builds on the one before.
    Logged(Vec<LoggedEvent>),
    /// Events were lost. Those that follow build on [`EventFeed::position`].
    Gap,
}

/// The receiving end, which a follower of the log holds. Dropping it ends the following.
pub struct EventFeed {
    position: LogId,
    /// In order after `position`.
    pending: VecDeque<Item>,
    must_read: bool,
    /// The batch that shows that something before it is lost. Where the log cannot be read, the feed goes on with it.
    unread: Option<Arc<Batch>>,
    /// The last reading failed, and the service's own log says so.
    has_warned: bool,
    batches: mpsc::Receiver<Arc<Batch>>,
    doubt: Arc<Doubt>,
    log: Arc<dyn EventLog>,
    _unfollow: Box<dyn Send + Sync>,
}

/// What the log holds at a position.
#[derive(Clone, Debug)]
pub(in crate::store) enum Item {
    Event(LoggedEvent),
    /// Events may be missing before this position.
    Gap(LogId),
}

/// Items that were logged together, in order.
#[derive(Debug)]
pub(in crate::store) struct Batch {
    /// The position before the first of them.
    pub prev: LogId,
    pub items: Vec<Item>,
}

/// What is read from a log after a position.
pub(in crate::store) struct Reading {
    /// None where there is a gap.
    pub items: Vec<Item>,
    pub is_gap: bool,
    /// Whether there was nothing after them.
    pub is_last: bool,
    pub newest: LogId,
}

/// A log that can be read.
#[async_trait]
pub(in crate::store) trait EventLog: Send + Sync {
    /// At most `max` items after a position, in order, and at least one if there is one.
    async fn read_after(&self, after: LogId, max: usize) -> Result<Reading, StoreError>;
}

/// Whether something may be lost since the follower last looked.
#[derive(Debug, Default)]
struct Doubt {
    is_there: AtomicBool,
    /// Something is lost, and the log does not have it.
    is_loss: AtomicBool,
    appeared: Notify,
}

/// The sending ends of all followers.
#[derive(Default)]
pub(in crate::store) struct EventFollowers(Mutex<State>);

#[derive(Default)]
struct State {
    followers: Vec<(u64, mpsc::Sender<Arc<Batch>>, Arc<Doubt>)>,
    next: u64,
}

impl Item {
    pub fn id(&self) -> LogId {
        match self {
            Self::Event(event) => event.id,
            Self::Gap(id) => *id,
        }
    }

    /// About what it takes in memory.
    pub fn bytes(&self) -> usize {
        let event = match self {
            Self::Event(logged) => logged.event.data.get().len() + size_of::<FeedEvent>(),
            Self::Gap(_) => 0,
        };
        event + size_of::<Self>()
    }
}

impl Reading {
    /// As callers of the store get it: a gap within is a gap as a whole.
    pub fn into_resumed(self) -> Resumed {
        let has_gap = self.items.iter().any(|item| matches!(item, Item::Gap(_)));
        let is_gap = self.is_gap || has_gap;
        let event = |item| match item {
            Item::Event(event) => Some(event),
            Item::Gap(_) => None,
        };
        let events = self.items.into_iter().filter(|_| !is_gap).filter_map(event).collect();
        Resumed { events, is_gap, is_last: self.is_last, newest: self.newest }
    }
}

impl EventFollowers {
    /// Adds a follower at a position, which is sent every batch from now on. `leave` is called when it is gone.
    pub fn add(
        self: &Arc<Self>,
        position: LogId,
        log: Arc<dyn EventLog>,
        leave: impl Fn() + Send + Sync + 'static,
    ) -> EventFeed {
        let (sender, batches) = mpsc::channel(QUEUE);
        let doubt = Arc::<Doubt>::default();
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        state.followers.push((id, sender, Arc::clone(&doubt)));
        let unfollow = Unfollow { followers: Arc::downgrade(self), id, leave };
        EventFeed {
            position,
            pending: VecDeque::new(),
            must_read: false,
            unread: None,
            has_warned: false,
            batches,
            doubt,
            log,
            _unfollow: Box::new(unfollow),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.state().followers.is_empty()
    }

    /// Sends a batch to all. Never waits.
    pub fn send(&self, batch: Batch) {
        let batch = Arc::new(batch);
        for (_, follower, doubt) in &self.state().followers {
            if follower.try_send(Arc::clone(&batch)).is_err() {
                doubt.raise();
            }
        }
    }

    /// Batches may have been lost: all followers read the log.
    pub fn doubt(&self) {
        self.state().followers.iter().for_each(|(_, _, doubt)| doubt.raise());
    }

    /// Events were lost that are not in the log either.
    pub fn lose(&self) {
        for (_, _, doubt) in &self.state().followers {
            doubt.is_loss.store(true, Ordering::Release);
            doubt.raise();
        }
    }

    /// Does something only if there is no follower, and before another one is added.
    pub fn if_empty<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        let state = self.state();
        state.followers.is_empty().then(act)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics while it is locked")
    }
}

impl Doubt {
    fn raise(&self) {
        self.is_there.store(true, Ordering::Release);
        self.appeared.notify_one();
    }

    fn take(&self) -> bool {
        self.is_there.swap(false, Ordering::AcqRel)
    }
}

impl EventFeed {
    /// The position of the last event that was received, or of the last gap; at first, where the feed starts.
    pub fn position(&self) -> LogId {
        self.position
    }

    /// What was lost until now does not matter, because the feed has not started.
    pub(in crate::store) fn forget_doubt(&mut self) {
        self.doubt.take();
    }

    /// Lets it start at this position. Batches that came before it count no more.
    pub(in crate::store) fn start_at(&mut self, position: LogId) {
        self.position = position;
    }

    /// The next events, or a gap. Waits where the store ended. Nothing is lost where a caller stops waiting.
    pub async fn next(&mut self) -> EventFeedMessage {
        loop {
            if let Some(message) = self.take_pending() {
                return message;
            }
            // What is queued needs no reading. Only where it does not build on what came before, the log is read.
            if !self.must_read
                && let Ok(batch) = self.batches.try_recv()
            {
                self.take(batch);
                continue;
            }
            if self.doubt.is_loss.swap(false, Ordering::AcqRel) {
                return EventFeedMessage::Gap;
            }
            if self.doubt.take() {
                self.must_read = true;
            }
            if self.must_read {
                if self.catch_up().await {
                    return EventFeedMessage::Gap;
                }
                continue;
            }
            tokio::select! {
                () = self.doubt.appeared.notified() => {}
                batch = self.batches.recv() => match batch {
                    Some(batch) => self.take(batch),
                    None => std::future::pending().await,
                },
            }
        }
    }

    /// Takes the part of a batch that builds on what is known. Where none does, the log has to be read.
    fn take(&mut self, batch: Arc<Batch>) {
        let known = batch.items.partition_point(|item| item.id() <= self.position);
        let (known, news) = batch.items.split_at(known);
        let builds_on = known.last().map_or(batch.prev, Item::id);
        if builds_on == self.position {
            self.pending.extend(news.iter().cloned());
        } else if builds_on > self.position || !news.is_empty() {
            self.must_read = true;
            self.unread = Some(batch);
        }
    }

    /// Reads what follows the position. Returns whether there is a gap.
    async fn catch_up(&mut self) -> bool {
        match self.log.read_after(self.position, MAX_READ).await {
            Ok(reading) => {
                self.has_warned = false;
                self.unread = None;
                self.must_read = !reading.is_gap && !reading.is_last;
                if reading.is_gap {
                    self.position = reading.newest;
                }
                self.pending.extend(reading.items);
                reading.is_gap
            }
            Err(error @ (StoreError::Refused(_) | StoreError::Malformed(_))) => {
                if !self.has_warned {
                    self.has_warned = true;
                    warn!(error = %Chain(&error), "cannot read the log of events; streams of all events may miss some");
                }
                self.go_on_unread()
            }
            Err(_) => {
                sleep(READ_AGAIN.mul_f64(0.5 + fastrand::f64())).await;
                false
            }
        }
    }

    /// Goes on without the log, which cannot be read. Returns whether there is a gap.
    fn go_on_unread(&mut self) -> bool {
        self.must_read = false;
        // Without one nothing is known to be lost, and what is would be seen at the next batch.
        let Some(batch) = self.unread.take() else { return false };
        self.position = batch.prev;
        self.pending.extend(batch.items.iter().cloned());
        true
    }

    fn take_pending(&mut self) -> Option<EventFeedMessage> {
        let mut events = Vec::new();
        while let Some(Item::Event(_)) = self.pending.front()
            && let Some(Item::Event(event)) = self.pending.pop_front()
        {
            self.position = event.id;
            events.push(event);
        }
        if !events.is_empty() {
            return Some(EventFeedMessage::Logged(events));
        }
        let gap = self.pending.pop_front()?;
        self.position = gap.id();
        Some(EventFeedMessage::Gap)
    }
}

/// Takes a follower out when its feed is dropped.
struct Unfollow<F: Fn()> {
    followers: Weak<EventFollowers>,
    id: u64,
    leave: F,
}

impl<F: Fn()> Drop for Unfollow<F> {
    fn drop(&mut self) {
        if let Some(followers) = self.followers.upgrade() {
            followers.state().followers.retain(|(id, ..)| *id != self.id);
        }
        (self.leave)();
    }
}

#[cfg(test)]
mod tests;
