//! Who follows which room on this instance, and which buckets Redis sends changes for.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, Weak},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use crate::{
    presence::RoomName,
    store::{Feed, FeedSender, feed},
};

use super::{keys::Bucket, message};

/// How long a bucket stays subscribed after its last follower left.
const LINGER: Duration = Duration::from_secs(10);

/// The followers of all rooms.
#[derive(Default)]
pub(super) struct Followers(Mutex<State>);

#[derive(Default)]
struct State {
    buckets: HashMap<Bucket, Followed>,
    next_follower: u64,
}

/// A bucket with followed rooms.
struct Followed {
    rooms: HashMap<RoomName, Vec<(u64, FeedSender)>>,
    /// Whether Redis acknowledged the subscription on the present connection.
    is_subscribed: watch::Sender<bool>,
    /// Whether it ever did. If so, the next acknowledgement means a gap: nobody knows what was published in between.
    was_subscribed: bool,
    idle_since: Option<Instant>,
}

impl Followers {
    /// Adds a follower. It has to wait until its bucket is subscribed.
    pub fn add(self: &Arc<Self>, room: &RoomName) -> (Feed, watch::Receiver<bool>) {
        let bucket = Bucket::of(room.as_str());
        let mut state = self.state();
        let id = state.next_follower;
        state.next_follower += 1;
        let followers = Arc::downgrade(self);
        let (sender, feed) = feed(Unfollow { followers, bucket, room: room.clone(), id });
        let followed = state.buckets.entry(bucket).or_insert_with(Followed::new);
        followed.idle_since = None;
        followed.rooms.entry(room.clone()).or_default().push((id, sender));
        (feed, followed.is_subscribed.subscribe())
    }

    /// Passes on a message of a bucket's channel.
    pub fn on_message(&self, message: &[u8]) {
        let Some((room, rest)) = message::parse(message) else { return };
        let state = self.state();
        let followed = state.buckets.get(&Bucket::of(&room));
        let Some(followers) = followed.and_then(|followed| followed.rooms.get(room.as_str()))
        else {
            return;
        };
        match message::change(rest).map(Arc::new) {
            Some(change) => followers.iter().for_each(|(_, follower)| follower.send(&change)),
            // The change was too big for a message.
            None => followers.iter().for_each(|(_, follower)| follower.gap()),
        }
    }

    /// All followers must read their rooms again.
    pub fn gap(&self) {
        self.state().buckets.values().for_each(Followed::gap);
    }

    /// Redis acknowledged the subscription of these buckets.
    pub fn subscribed(&self, buckets: &[Bucket]) {
        self.each_of(buckets, Followed::subscribed);
    }

    /// These buckets are subscribed no more.
    pub fn unsubscribed(&self, buckets: &[Bucket]) {
        self.each_of(buckets, Followed::unsubscribed);
    }

    /// The connection is gone, and with it all subscriptions.
    pub fn disconnected(&self) {
        self.state().buckets.values_mut().for_each(Followed::unsubscribed);
    }

    /// All buckets with followers.
    pub fn buckets(&self) -> Vec<Bucket> {
        self.state().buckets.keys().copied().collect()
    }

    /// Buckets that are not subscribed yet.
    pub fn unsubscribed_buckets(&self) -> Vec<Bucket> {
        let state = self.state();
        let waiting = state.buckets.iter().filter(|(_, followed)| !followed.is_subscribed());
        waiting.map(|(bucket, _)| *bucket).collect()
    }

    /// Takes out buckets that nobody has followed for a while.
    pub fn take_idle(&self) -> Vec<Bucket> {
        let is_idle =
            |followed: &Followed| followed.idle_since.is_some_and(|at| at.elapsed() > LINGER);
        let mut state = self.state();
        let idle = state.buckets.extract_if(|_, followed| is_idle(followed));
        idle.map(|(bucket, _)| bucket).collect()
    }

    fn each_of(&self, buckets: &[Bucket], act: impl Fn(&mut Followed)) {
        let mut state = self.state();
        for bucket in buckets {
            if let Some(followed) = state.buckets.get_mut(bucket) {
                act(followed);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics while it is locked")
    }
}

impl Followed {
    fn new() -> Self {
        Self {
            rooms: HashMap::new(),
            is_subscribed: watch::Sender::new(false),
            was_subscribed: false,
            idle_since: None,
        }
    }

    fn is_subscribed(&self) -> bool {
        *self.is_subscribed.borrow()
    }

    fn subscribed(&mut self) {
        let is_again = self.was_subscribed && !self.is_subscribed();
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

/// Takes a follower out when its feed is dropped.
struct Unfollow {
    followers: Weak<Followers>,
    bucket: Bucket,
    room: RoomName,
    id: u64,
}

impl Drop for Unfollow {
    fn drop(&mut self) {
        let Some(followers) = self.followers.upgrade() else { return };
        let mut state = followers.state();
        let Some(followed) = state.buckets.get_mut(&self.bucket) else { return };
        if let Some(of_room) = followed.rooms.get_mut(&self.room) {
            of_room.retain(|(id, _)| *id != self.id);
            if of_room.is_empty() {
                followed.rooms.remove(&self.room);
            }
        }
        if followed.rooms.is_empty() {
            followed.idle_since = Some(Instant::now());
        }
    }
}
