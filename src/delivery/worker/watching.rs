//! Which topics a connection watches. A WebSocket's client changes that while it is open.

use std::sync::Arc;

use super::{
    super::{
        connection::{Watch, Watches},
        handoff::HandoffWatch,
        watched_room::{Member, WatchedRoom},
    },
    state::{Worker, short_key},
};

impl Worker {
    /// Makes a connection a member of each topic.
    pub(super) fn watch_all(&mut self, key: u32, watches: Vec<HandoffWatch>) -> Watches {
        let mut all = Watches::default();
        for (index, watch) in watches.into_iter().enumerate() {
            all.push(self.watch(key, index, watch));
        }
        all
    }

    /// Makes an open connection a member of one more topic.
    pub(super) fn watch_more(&mut self, key: usize, watch: HandoffWatch) {
        let index = self.connections[key].watches.as_slice().len();
        let watch = self.watch(short_key(key), index, watch);
        self.connections[key].watches.push(watch);
    }

    /// Makes a connection a member of a topic. Must come before the look at the topic's newest content: a change between the two
    /// is then found twice (and sent once) rather than missed.
    fn watch(&mut self, key: u32, index: usize, watch: HandoffWatch) -> Watch {
        let topic = watch.subscription.topic();
        let room = self.rooms.entry(topic.id()).or_insert_with(|| {
            topic.watch(self.index);
            WatchedRoom::new(Arc::clone(topic))
        });
        let position = room.enter(Member { connection: key, watch: member_watch(index) });
        Watch { sent: watch.has, position, subscription: watch.subscription }
    }

    /// An open connection is a member of this topic no more.
    pub(super) fn stop_watching(&mut self, key: usize, topic: u64) {
        let watches = &mut self.connections[key].watches;
        let mut ids = watches.as_slice().iter().map(|watch| watch.subscription.topic().id());
        let Some(index) = ids.position(|id| id == topic) else { return };
        let watch = watches.swap_remove(index);
        // Another watch may have taken its index.
        if let Some(moved) = watches.as_slice().get(index)
            && let Some(room) = self.rooms.get_mut(&moved.subscription.topic().id())
        {
            room.set_watch(moved.position, member_watch(index));
        }
        self.unwatch(&watch);
    }

    /// Takes a watch out of its topic. No other watch of its connection changes.
    pub(super) fn unwatch(&mut self, watch: &Watch) {
        let topic = watch.subscription.topic();
        let Some(room) = self.rooms.get_mut(&topic.id()) else { return };
        for (member, position) in room.leave(watch.position).into_iter().flatten() {
            let connection = &mut self.connections[member.connection as usize];
            connection.watches.as_mut_slice()[member.watch as usize].position = position;
        }
        if room.is_empty() {
            topic.unwatch(self.index);
            self.rooms.remove(&topic.id());
        }
    }
}

fn member_watch(index: usize) -> u32 {
    u32::try_from(index).expect("at most 100")
}
