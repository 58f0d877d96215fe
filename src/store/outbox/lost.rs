//! Which rooms have lost something lately, because there was no room for it.

use std::{collections::HashMap, mem, time::Duration};

use tokio::time::Instant;

use crate::presence::RoomName;

/// LiveKit has sent a webhook for the last time by then.
const MEMORY: Duration = Duration::from_mins(1);

/// The rooms of which items were dropped, each with the position of the newest. Each is remembered for one to two minutes.
#[derive(Default)]
pub(super) struct Lost {
    newer: HashMap<RoomName, u64>,
    older: HashMap<RoomName, u64>,
    /// When `newer` began.
    since: Option<Instant>,
}

impl Lost {
    pub fn add(&mut self, room: RoomName, position: u64, now: Instant) {
        self.forget(now);
        self.newer.insert(room, position);
    }

    /// The position of the newest item of a room that was dropped.
    pub fn newest_of(&mut self, room: &RoomName, now: Instant) -> Option<u64> {
        self.forget(now);
        self.newer.get(room).or_else(|| self.older.get(room)).copied()
    }

    fn forget(&mut self, now: Instant) {
        let age = now.duration_since(*self.since.get_or_insert(now));
        if age >= MEMORY {
            self.since = Some(now);
            self.older = mem::take(&mut self.newer);
        }
        if age >= 2 * MEMORY {
            self.older = HashMap::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_that_lost_something_is_remembered_for_a_minute_and_not_for_good() {
        let room = |name| RoomName::parse(name).unwrap();
        let began = Instant::now();
        let mut lost = Lost::default();
        lost.add(room("a"), 1, began);
        lost.add(room("a"), 5, began + MEMORY / 2);
        lost.add(room("b"), 7, began + MEMORY);
        for (halves, name, expected) in [
            (2, "a", Some(5)),
            (3, "a", Some(5)),
            (3, "b", Some(7)),
            (3, "c", None),
            (4, "a", None),
            (4, "b", Some(7)),
            (9, "b", None),
        ] {
            let now = began + MEMORY / 2 * halves;
            assert_eq!(lost.newest_of(&room(name), now), expected, "{name} after {halves} halves");
        }
        lost.add(room("b"), 9, began + 5 * MEMORY);
        assert_eq!(lost.newest_of(&room("b"), began + 8 * MEMORY), None);
    }
}
