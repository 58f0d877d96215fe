//! When somebody was last probed in rooms that give no reason to doubt.
//!
//! Pure: callers pass the time.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::presence::RoomName;

/// The shortest time between two such probes in a room: half a call a minute.
const QUIET_INTERVAL: Duration = Duration::from_mins(2);
/// Rooms remembered. In further ones nobody is probed without a reason.
const MAX_ROOMS: usize = 50_000;

/// The rooms in which somebody was probed not long ago.
#[derive(Debug, Default)]
pub struct QuietProbes(HashMap<RoomName, Instant>);

impl QuietProbes {
    /// Whether somebody may be probed now. If so, nobody is again for a while.
    pub fn take(&mut self, room: &RoomName, now: Instant) -> bool {
        let is_over = |at: Instant| now.saturating_duration_since(at) >= QUIET_INTERVAL;
        if let Some(at) = self.0.get_mut(room) {
            let may_probe = is_over(*at);
            if may_probe {
                *at = now;
            }
            return may_probe;
        }
        if self.0.len() >= MAX_ROOMS {
            self.0.retain(|_, at| !is_over(*at));
        }
        let has_place = self.0.len() < MAX_ROOMS;
        if has_place {
            self.0.insert(room.clone(), now);
        }
        has_place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_probed_once_in_two_minutes_and_room() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let room = |name: &str| RoomName::parse(name).unwrap();
        let mut probes = QuietProbes::default();
        for (name, secs, expected) in [
            ("general", 0, true),
            ("general", 119, false),
            ("other", 119, true),
            ("general", 120, true),
            ("general", 239, false),
            ("general", 240, true),
        ] {
            assert_eq!(probes.take(&room(name), at(secs)), expected, "{name} after {secs} s");
        }
    }
}
