//! Who follows which room on this instance, or all of them, and which buckets Redis sends changes for.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, Weak},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use crate::{
    presence::RoomName,
    store::{Feed, FeedSender, RoomsFeed, feed, rooms_followers::RoomsFollowers},
};

use super::{keys::Bucket, message};

/// How long a bucket stays subscribed after its last follower left.
const LINGER: Duration = Duration::from_secs(10);

/// The followers of this instance.
#[derive(Default)]
pub(super) struct Followers {
    state: Mutex<State>,
    /// Those of all rooms. All buckets are subscribed while there are any.
    of_all_rooms: Arc<RoomsFollowers>,
}

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
    /// Since when nobody follows it, as far as was looked.
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
        followed.rooms.entry(room.clone()).or_default().push((id, sender));
        (feed, followed.is_subscribed.subscribe())
    }

    /// Adds a follower of all rooms. It has to wait until all buckets are subscribed.
    pub fn add_to_all(&self) -> (RoomsFeed, Vec<watch::Receiver<bool>>) {
        let feed = self.of_all_rooms.add();
        let mut state = self.state();
        let mut is_subscribed = |bucket| {
            let followed = state.buckets.entry(bucket).or_insert_with(Followed::new);
            followed.is_subscribed.subscribe()
        };
        (feed, Bucket::all().map(&mut is_subscribed).collect())
    }

    /// Passes on a message of a bucket's channel.
    pub fn on_message(&self, message: &[u8]) {
        let Some((room, rest)) = message::parse(message) else { return };
        let is_of_roster = message::is_of_roster(rest);
        if !is_of_roster
            && !self.of_all_rooms.is_empty()
            && let Ok(room) = RoomName::parse(&room)
        {
            self.of_all_rooms.touch(&room);
        }
        if message::is_of_list(rest) {
            return;
        }
        let state = self.state();
        let followed = state.buckets.get(&Bucket::of(&room));
        let Some(followers) = followed.and_then(|followed| followed.rooms.get(room.as_str()))
        else {
            return;
        };
        if is_of_roster {
            return followers.iter().for_each(|(_, follower)| follower.roster());
        }
        match message::change(rest).map(Arc::new) {
            Some(change) => followers.iter().for_each(|(_, follower)| follower.send(&change)),
            // The change was too big for a message.
            None => followers.iter().for_each(|(_, follower)| follower.gap()),
        }
    }

    /// All followers must read their rooms again.
    pub fn gap(&self) {
        self.state().buckets.values().for_each(Followed::gap);
        self.of_all_rooms.gap();
    }

    /// Redis acknowledged the subscription of these buckets.
    pub fn subscribed(&self, buckets: &[Bucket]) {
        let has_gap = self.each_of(buckets, Followed::subscribed);
        self.gap_of_all_if(has_gap);
    }

    /// These buckets are subscribed no more.
    pub fn unsubscribed(&self, buckets: &[Bucket]) {
        let has_gap = self.each_of(buckets, Followed::unsubscribed);
        self.gap_of_all_if(has_gap);
    }

    /// The connection is gone, and with it all subscriptions.
    pub fn disconnected(&self) {
        let buckets = self.buckets();
        self.unsubscribed(&buckets);
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
        let follows_all = !self.of_all_rooms.is_empty();
        let mut state = self.state();
        let idle = state.buckets.extract_if(|_, followed| followed.is_idle(follows_all));
        idle.map(|(bucket, _)| bucket).collect()
    }

    /// Acts on buckets, and tells whether any of them had a gap.
    fn each_of(&self, buckets: &[Bucket], act: impl Fn(&mut Followed) -> bool) -> bool {
        let mut state = self.state();
        let mut has_gap = false;
        for bucket in buckets {
            if let Some(followed) = state.buckets.get_mut(bucket) {
                has_gap |= act(followed);
            }
        }
        has_gap
    }

    fn gap_of_all_if(&self, has_gap: bool) {
        if has_gap {
            self.of_all_rooms.gap();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it is locked")
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

    /// Whether nobody has followed it for a while.
    fn is_idle(&mut self, follows_all: bool) -> bool {
        if follows_all || !self.rooms.is_empty() {
            self.idle_since = None;
            return false;
        }
        self.idle_since.get_or_insert_with(Instant::now).elapsed() > LINGER
    }

    /// Returns whether messages were lost before it.
    fn subscribed(&mut self) -> bool {
        let is_again = self.was_subscribed && !self.is_subscribed();
        if is_again {
            self.gap();
        }
        self.was_subscribed = true;
        self.is_subscribed.send_replace(true);
        is_again
    }

    /// Returns whether it was subscribed until now.
    fn unsubscribed(&mut self) -> bool {
        let was_subscribed = self.is_subscribed.send_replace(false);
        if was_subscribed {
            self.gap();
        }
        was_subscribed
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
    }
}
