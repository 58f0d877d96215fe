//! Which rooms a WebSocket's client has chosen, and the topics by which they are watched.

use crate::{delivery::HandoffWatch, http::state::Http, presence::RoomName};

use super::opening::Asked;

/// What one WebSocket watches.
#[derive(Default)]
pub(super) struct Watched {
    pub rooms: WatchedRooms,
    /// Whether it also has the list of rooms.
    pub has_list: bool,
}

pub(super) struct WatchedRoom {
    pub room: RoomName,
    topic: u64,
    /// That of its roster, if it is watched too.
    roster: Option<u64>,
}

/// Rooms in the order in which the client named them. Nearly always it is one, which takes no memory of its own then.
pub(super) enum WatchedRooms {
    One(WatchedRoom),
    Many(Vec<WatchedRoom>),
}

impl Watched {
    /// What was asked for, and what it is watched by: the rooms in the same order, perhaps their rosters, then the list.
    pub fn new(http: &Http, asked: Asked, watches: &[HandoffWatch]) -> Self {
        let has_list = asked.list.is_some();
        Self { rooms: WatchedRooms::new(http.shared_names(asked.rooms), watches), has_list }
    }
}

impl Default for WatchedRooms {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl WatchedRooms {
    /// Rooms and what they are watched by, in the same order.
    fn new(rooms: Vec<RoomName>, watches: &[HandoffWatch]) -> Self {
        let topic = |watch: &HandoffWatch| watch.subscription.topic().id();
        // Who watches rooms by name does not have the list.
        let (of_rooms, of_rosters) = watches.split_at(rooms.len().min(watches.len()));
        let watched = rooms.into_iter().zip(of_rooms).enumerate().map(|(nth, (room, watch))| {
            let roster = of_rosters.get(nth).map(topic);
            WatchedRoom { room, topic: topic(watch), roster }
        });
        Self::of(watched.collect())
    }

    fn of(mut all: Vec<WatchedRoom>) -> Self {
        match all.pop() {
            Some(only) if all.is_empty() => Self::One(only),
            last => {
                all.extend(last);
                Self::Many(all)
            }
        }
    }

    pub fn as_slice(&self) -> &[WatchedRoom] {
        match self {
            Self::One(only) => std::slice::from_ref(only),
            Self::Many(all) => all,
        }
    }

    pub fn names(&self) -> impl Iterator<Item = &RoomName> {
        self.as_slice().iter().map(|one| &one.room)
    }

    pub fn contains(&self, room: &RoomName) -> bool {
        self.as_slice().iter().any(|one| one.room == *room)
    }

    pub fn add(&mut self, more: Self) {
        let mut all = self.take();
        all.extend(more.into_vec());
        *self = Self::of(all);
    }

    /// Takes rooms out, and returns their topics.
    pub fn remove(&mut self, rooms: &[RoomName]) -> Vec<u64> {
        let is_gone = |one: &WatchedRoom| rooms.contains(&one.room);
        let (gone, stay) = self.take().into_iter().partition::<Vec<_>, _>(is_gone);
        *self = Self::of(stay);
        gone.into_iter().flat_map(|one| [Some(one.topic), one.roster]).flatten().collect()
    }

    fn take(&mut self) -> Vec<WatchedRoom> {
        std::mem::take(self).into_vec()
    }

    fn into_vec(self) -> Vec<WatchedRoom> {
        match self {
            Self::One(only) => vec![only],
            Self::Many(all) => all,
        }
    }
}
