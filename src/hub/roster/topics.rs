//! The topics of rosters, one for each room whose roster somebody watches on this instance.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use crate::{
    hub::{
        content::Content,
        snapshot::View,
        topic::{Subscription, Topic, Watchers},
        window,
    },
    presence::{RoomName, Version},
    store::StoreError,
};

use super::snapshot::{RosterChange, RosterSnapshot, RosterTotals};

/// A smaller frame counts as one of this size: the system call takes most of its time.
const MIN_FRAME_BYTES: usize = 2 * 1024;

/// Entering a room's roster and closing it take the same lock, so that none closes under a new subscriber.
#[derive(Clone)]
pub struct RosterTopics(Arc<Shared>);

struct Shared {
    by_room: Mutex<HashMap<RoomName, Arc<Topic>>>,
    watchers: Arc<dyn Watchers>,
    coalesce: Duration,
}

/// The topic of one room's roster, as the task has it that says what is in the roster. Subscribers wait until it has begun.
pub struct RosterTopic {
    topics: RosterTopics,
    room: RoomName,
    topic: Arc<Topic>,
    newest: Option<Arc<RosterSnapshot>>,
}

impl RosterTopics {
    pub fn new(watchers: Arc<dyn Watchers>, coalesce: Duration) -> Self {
        Self(Arc::new(Shared { by_room: Mutex::default(), watchers, coalesce }))
    }

    /// Subscribes to the roster of a room. `serve` is called if it is not served yet, and must start the task that does. Returns
    /// once the roster is known.
    ///
    /// # Errors
    /// The task gave up.
    pub async fn subscribe(
        &self,
        room: &RoomName,
        serve: impl FnOnce(RosterTopic),
    ) -> Result<Subscription, StoreError> {
        let (subscription, new) = self.enter(room);
        if let Some(new) = new {
            serve(new);
        }
        subscription.topic().ready().await?;
        Ok(subscription)
    }

    fn enter(&self, room: &RoomName) -> (Subscription, Option<RosterTopic>) {
        let mut by_room = self.lock();
        if let Some(topic) = by_room.get(room) {
            return (topic.subscribe(View::Deltas), None);
        }
        let topic = Arc::new(Topic::new());
        by_room.insert(room.clone(), Arc::clone(&topic));
        let subscription = topic.subscribe(View::Deltas);
        let topics = self.clone();
        (subscription, Some(RosterTopic { topics, room: room.clone(), topic, newest: None }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RoomName, Arc<Topic>>> {
        self.0.by_room.lock().expect("nothing panics while it is locked")
    }
}

impl RosterTopic {
    pub fn room(&self) -> &RoomName {
        &self.room
    }

    /// Puts the whole roster in, for those who wait for it.
    pub fn begin(&mut self, now: Version, totals: RosterTotals, entries: Vec<Arc<[u8]>>) {
        let first = Arc::new(RosterSnapshot::first(self.room.clone(), now, totals, entries));
        self.topic.put(Content::Roster(Arc::clone(&first)));
        self.topic.announced();
        self.newest = Some(first);
    }

    /// Publishes a change. Returns how long later changes should wait.
    pub fn publish(
        &mut self,
        now: Version,
        totals: RosterTotals,
        entries: Vec<Arc<[u8]>>,
        change: &RosterChange,
    ) -> Duration {
        let Some(before) = &self.newest else { return Duration::ZERO };
        let snapshot = Arc::new(before.after(now, totals, entries, change));
        let bytes = snapshot.frame_bytes().max(MIN_FRAME_BYTES);
        self.topic.put(Content::Roster(Arc::clone(&snapshot)));
        self.topics.0.watchers.topic_changed(&self.topic);
        self.topic.announced();
        self.newest = Some(snapshot);
        let subscribers = self.topic.count(View::Deltas);
        window::after(bytes.saturating_mul(subscribers), self.topics.0.coalesce)
    }

    /// Resolves when the last subscriber has left. May resolve again although nobody came in between.
    pub async fn idle(&self) {
        self.topic.idle().await;
    }

    /// Closes the roster unless somebody has entered it meanwhile. Tells whether it is closed.
    pub fn leave_if_idle(&self) -> bool {
        let mut by_room = self.topics.lock();
        if self.topic.has_subscribers() {
            return false;
        }
        by_room.remove(&self.room);
        true
    }

    /// Gives up because the roster could not be read. Waiting subscribers get the error, and the next subscriber tries again.
    pub fn give_up(&self, error: StoreError) {
        self.topics.lock().remove(&self.room);
        self.topic.fail(error);
    }
}
