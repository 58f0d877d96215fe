//! The rooms that one WebSocket watches, in the order in which its client named them.

use crate::{delivery::HandoffWatch, presence::RoomName};

pub(super) struct Watched {
    pub room: RoomName,
    pub topic: u64,
}

/// Nearly always one room, which takes no memory of its own then.
pub(super) enum WatchedRooms {
    One(Watched),
    Many(Vec<Watched>),
}

impl WatchedRooms {
    /// Rooms and what they are watched by, in the same order. None where a token is awaited.
    pub fn new(rooms: Vec<RoomName>, watches: &[HandoffWatch]) -> Self {
        let topics = watches.iter().map(|watch| watch.subscription.topic().id());
        let watched = rooms.into_iter().zip(topics).map(|(room, topic)| Watched { room, topic });
        Self::of(watched.collect())
    }

    fn of(mut all: Vec<Watched>) -> Self {
        match all.pop() {
            Some(only) if all.is_empty() => Self::One(only),
            last => {
                all.extend(last);
                Self::Many(all)
            }
        }
    }

    pub fn as_slice(&self) -> &[Watched] {
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
        let is_gone = |one: &Watched| rooms.contains(&one.room);
        let (gone, stay) = self.take().into_iter().partition::<Vec<_>, _>(is_gone);
        *self = Self::of(stay);
        gone.into_iter().map(|one| one.topic).collect()
    }

    fn take(&mut self) -> Vec<Watched> {
        std::mem::replace(self, Self::Many(Vec::new())).into_vec()
    }

    fn into_vec(self) -> Vec<Watched> {
        match self {
            Self::One(only) => vec![only],
            Self::Many(all) => all,
        }
    }
}
