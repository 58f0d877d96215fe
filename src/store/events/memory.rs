//! The log of events in this process.

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;

use crate::{
    clock::Clock,
    presence::{EVENT_MEMORY, StoreTime},
    store::error::StoreError,
};

use super::{
    event::FeedEvent,
    feed::{Batch, EventFeed, EventFollowers, EventLog, Item, LoggedEvent, Reading},
    log_id::LogId,
    settings::EventLogSettings,
};

/// Keeps the newest events while somebody follows them.
pub(in crate::store) struct MemoryEventLog {
    settings: EventLogSettings,
    clock: Clock,
    is_on: AtomicBool,
    followers: Arc<EventFollowers>,
    ring: Mutex<Ring>,
}

#[derive(Default)]
struct Ring {
    items: VecDeque<Item>,
    /// The position before the first item.
    prev: LogId,
    newest: LogId,
    /// When the last follower left, or later while there are some.
    followed_at: StoreTime,
    /// What the items take.
    bytes: usize,
    /// Ids of events that are logged once, with the times when they were.
    logged: VecDeque<(StoreTime, String)>,
    logged_ids: HashSet<String>,
}

impl MemoryEventLog {
    pub fn new(settings: EventLogSettings, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            settings,
            clock,
            is_on: AtomicBool::new(false),
            followers: Arc::default(),
            ring: Mutex::default(),
        })
    }

    /// Whether it runs. While it does not, nobody needs entries.
    pub fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Acquire)
    }

    /// Starts it if need be. Steps that began before may not be logged; the caller waits for them, and then follows.
    pub fn start(&self, now: StoreTime) {
        let mut ring = self.ring();
        self.end_if_idle(&mut ring, now);
        ring.followed_at = now;
        if !self.is_on.swap(true, Ordering::AcqRel) {
            // Positions from before are none of this log, which did not run in between.
            ring.newest = ring.newest.next(now.as_millis());
            ring.prev = ring.newest;
        }
    }

    pub fn follow(self: &Arc<Self>) -> EventFeed {
        let ring = self.ring();
        let left = Arc::downgrade(self);
        let leave = move || {
            if let Some(log) = left.upgrade() {
                let now = log.clock.now().as_store_time();
                log.ring().followed_at = now;
            }
        };
        self.followers.add(ring.newest, Arc::clone(self) as Arc<dyn EventLog>, leave)
    }

    pub fn append(&self, events: Vec<FeedEvent>, now: StoreTime) {
        let items = events.into_iter().map(Some);
        self.append_to(&mut self.ring(), items, now);
    }

    /// Something happened of which the log has no events.
    pub fn append_gap(&self, now: StoreTime) {
        self.append_to(&mut self.ring(), [None], now);
    }

    /// Logs an event, unless one with its id was logged in the last minutes.
    pub fn append_once(&self, event: FeedEvent, now: StoreTime) {
        let mut ring = self.ring();
        while let Some((_, id)) = ring.logged.pop_front_if(|(at, _)| *at < now - EVENT_MEMORY) {
            ring.logged_ids.remove(&id);
        }
        if self.is_on() && ring.logged_ids.insert(event.id.clone()) {
            ring.logged.push_back((now, event.id.clone()));
            self.append_to(&mut ring, [Some(event)], now);
        }
    }

    pub fn read(&self, after: LogId, max: usize) -> Reading {
        let ring = self.ring();
        let is_known =
            after == ring.prev || ring.items.binary_search_by_key(&after, Item::id).is_ok();
        let newest = ring.newest;
        if !self.is_on() || !is_known {
            return Reading { items: Vec::new(), is_gap: true, is_last: true, newest };
        }
        let first = ring.items.partition_point(|item| item.id() <= after);
        let items: Vec<_> = ring.items.range(first..).take(max).cloned().collect();
        let is_last = first + items.len() == ring.items.len();
        Reading { items, is_gap: false, is_last, newest }
    }

    fn append_to(
        &self,
        ring: &mut Ring,
        events: impl IntoIterator<Item = Option<FeedEvent>>,
        now: StoreTime,
    ) {
        self.end_if_idle(ring, now);
        if !self.is_on() {
            return;
        }
        let prev = ring.newest;
        let mut items = Vec::new();
        for event in events {
            let (prev, id) = (ring.newest, ring.newest.next(now.as_millis()));
            items.push(match event {
                Some(event) => Item::Event(LoggedEvent { id, prev, event: Arc::new(event) }),
                None => Item::Gap(id),
            });
            ring.newest = id;
        }
        ring.bytes += items.iter().map(Item::bytes).sum::<usize>();
        ring.items.extend(items.iter().cloned());
        let oldest = (now - self.settings.keep).as_millis();
        while ring.items.len() > self.settings.max
            || ring.bytes > self.settings.max_bytes()
            || ring.items.front().is_some_and(|item| item.id().millis() < oldest)
        {
            let Some(item) = ring.items.pop_front() else { break };
            ring.prev = item.id();
            ring.bytes -= item.bytes();
        }
        // While the ring is locked, so that followers get batches in order.
        self.followers.send(Batch { prev, items });
    }

    /// Ends the log when nobody has followed it for as long as it is kept.
    fn end_if_idle(&self, ring: &mut Ring, now: StoreTime) {
        if !self.followers.is_empty() {
            ring.followed_at = ring.followed_at.max(now);
        } else if ring.followed_at + self.settings.keep < now {
            ring.items.clear();
            ring.bytes = 0;
            ring.prev = ring.newest;
            self.is_on.store(false, Ordering::Release);
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().expect("nothing panics while it is locked")
    }
}

#[async_trait]
impl EventLog for MemoryEventLog {
    async fn read_after(&self, after: LogId, max: usize) -> Result<Reading, StoreError> {
        Ok(self.read(after, max))
    }
}
