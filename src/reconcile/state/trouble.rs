//! Rooms for which LiveKit gives no readable list, while it answers about others. Each has its own wait until the next attempt,
//! which grows.
//!
//! Pure: callers pass the time.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::presence::RoomName;

const FIRST_WAIT: Duration = Duration::from_millis(500);
/// A list that is too large stays too large for a while, and each attempt reads a lot.
const FIRST_WAIT_TOO_LARGE: Duration = Duration::from_secs(10);
const MAX_WAIT: Duration = Duration::from_mins(5);
/// Rooms remembered. Further ones are asked about as if they were not in trouble.
const MAX_ROOMS: usize = 10_000;

/// The rooms in trouble.
#[derive(Debug, Default)]
pub struct Troubles(HashMap<RoomName, Trouble>);

#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    /// Failed attempts in a row to get the room's list.
    pub failures: u32,
    /// The room is not asked about before.
    pub until: Instant,
}

impl Troubles {
    /// Notes that LiveKit gave no readable list of the room, and returns how long to wait.
    pub fn failed(&mut self, room: &RoomName, is_too_large: bool, now: Instant) -> Trouble {
        let failures = self.0.get(room).map_or(0, |trouble| trouble.failures) + 1;
        let first = if is_too_large { FIRST_WAIT_TOO_LARGE } else { FIRST_WAIT };
        let doublings = (failures - 1).min(16);
        let wait = first.saturating_mul(1 << doublings).min(MAX_WAIT);
        let trouble = Trouble { failures, until: now + wait };
        if self.0.len() >= MAX_ROOMS {
            self.0.retain(|_, trouble| trouble.until > now);
        }
        if self.0.len() < MAX_ROOMS {
            self.0.insert(room.clone(), trouble);
        }
        trouble
    }

    pub fn is_well(&mut self, room: &RoomName) {
        self.0.remove(room);
    }

    /// LiveKit answers about no room, so the trouble was not the rooms' own.
    pub fn forget(&mut self) {
        self.0.clear();
    }

    /// When the room may be asked about, if not now.
    pub fn until(&self, room: &RoomName, now: Instant) -> Option<Instant> {
        self.0.get(room).map(|trouble| trouble.until).filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_in_trouble_is_asked_about_more_and_more_rarely_until_it_is_well() {
        let now = Instant::now();
        let room = RoomName::parse("general").unwrap();
        let mut troubles = Troubles::default();
        let mut wait = |is_too_large| troubles.failed(&room, is_too_large, now).until - now;
        let waits: Vec<_> = (0..3).map(|_| wait(false).as_millis()).collect();
        assert_eq!(waits, [500, 1_000, 2_000]);
        for _ in 0..40 {
            wait(false);
        }
        assert_eq!(wait(false), MAX_WAIT);
        assert_eq!(troubles.until(&room, now), Some(now + MAX_WAIT));
        assert_eq!(troubles.until(&room, now + MAX_WAIT), None);
        troubles.is_well(&room);
        assert_eq!(troubles.until(&room, now), None);
        assert_eq!(troubles.failed(&room, true, now).until - now, FIRST_WAIT_TOO_LARGE);
    }
}
