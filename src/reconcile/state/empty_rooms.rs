//! Which rooms LiveKit has nobody in although no store holds them. Clients that ask for made-up rooms must not fill the store,
//! nor cost a call each time.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use crate::presence::{RoomName, StoreTime};

/// Rooms remembered. Further made-up rooms are not.
const MAX_EMPTY: usize = 10_000;

/// Rooms that no store holds, and until when each counts as empty.
#[derive(Default)]
pub struct EmptyRooms(Mutex<HashMap<RoomName, StoreTime>>);

impl EmptyRooms {
    pub fn remember(&self, room: &RoomName, until: StoreTime, now: StoreTime) {
        let mut rooms = self.rooms();
        if rooms.len() >= MAX_EMPTY && !rooms.contains_key(room) {
            rooms.retain(|_, until| *until > now);
            if rooms.len() >= MAX_EMPTY {
                return;
            }
        }
        rooms.insert(room.clone(), until);
    }

    pub fn forget(&self, room: &RoomName) {
        self.rooms().remove(room);
    }

    /// Until when the room counts as empty. None if that is not known.
    pub fn until(&self, room: &RoomName) -> Option<StoreTime> {
        self.rooms().get(room).copied()
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<RoomName, StoreTime>> {
        self.0.lock().expect("never held in a panic")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).unwrap()
    }

    #[test]
    fn made_up_rooms_are_remembered_within_bounds() {
        let empty = EmptyRooms::default();
        let at = StoreTime::from_millis;
        for number in 0..MAX_EMPTY + 5 {
            empty.remember(&room(&format!("room-{number}")), at(60_000), at(0));
        }
        assert_eq!(empty.rooms().len(), MAX_EMPTY);
        assert_eq!(empty.until(&room("room-0")), Some(at(60_000)));
        empty.remember(&room("later"), at(120_000), at(60_000));
        assert_eq!(empty.rooms().len(), 1, "the others are over");
        empty.forget(&room("later"));
        assert_eq!(empty.until(&room("later")), None);
    }
}
