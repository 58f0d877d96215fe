//! Spreads heartbeats evenly: each connection has a place on a wheel that turns once per interval.

use std::time::{Duration, Instant};

const PLACES: usize = 128;

/// Successive connections are this many places apart, which spreads even a few connections evenly.
const STRIDE: usize = 79;

/// Where connections wait for their next heartbeat.
pub(super) struct Wheel {
    places: Vec<Vec<u32>>,
    waiting: usize,
    next_place: usize,
    /// The place whose turn is next, and the time of that turn.
    turn: usize,
    turn_at: Instant,
    step: Duration,
}

/// Where a connection is on the wheel. [`Wheel::leave`] needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct WheelPosition {
    place: u8,
    index: u32,
}

impl Wheel {
    pub fn new(interval: Duration, now: Instant) -> Self {
        let step = interval / u32::try_from(PLACES).expect("few");
        Self {
            places: vec![Vec::new(); PLACES],
            waiting: 0,
            next_place: 0,
            turn: 0,
            turn_at: now + step,
            step,
        }
    }

    pub fn enter(&mut self, key: u32, now: Instant) -> WheelPosition {
        if self.waiting == 0 {
            // An empty wheel does not turn. Its missed turns are not made up for.
            self.turn_at = now + self.step;
        }
        self.waiting += 1;
        let place = self.next_place;
        self.next_place = (place + STRIDE) % PLACES;
        let waiting = &mut self.places[place];
        waiting.push(key);
        WheelPosition {
            place: u8::try_from(place).expect("few"),
            index: u32::try_from(waiting.len() - 1).expect("fewer than descriptors"),
        }
    }

    /// Returns the connection that moved to fill the gap, if any, and its new place.
    pub fn leave(&mut self, place: WheelPosition) -> Option<(u32, WheelPosition)> {
        self.waiting -= 1;
        let waiting = &mut self.places[usize::from(place.place)];
        waiting.swap_remove(place.index as usize);
        waiting.get(place.index as usize).map(|moved| (*moved, place))
    }

    /// When the next place with a connection has its turn. None while the wheel is empty.
    pub fn next_turn(&self) -> Option<Instant> {
        let steps_ahead =
            (0..PLACES).find(|ahead| !self.places[(self.turn + ahead) % PLACES].is_empty())?;
        Some(self.turn_at + self.step * u32::try_from(steps_ahead).expect("few"))
    }

    /// The connections whose turn has come, one place at a time.
    pub fn take_turn(&mut self, now: Instant) -> Option<Vec<u32>> {
        loop {
            if self.turn_at > now {
                return None;
            }
            let place = self.turn;
            self.turn = (place + 1) % PLACES;
            self.turn_at += self.step;
            // After a long pause each connection has one turn, not one for each missed interval.
            let interval = self.step * u32::try_from(PLACES).expect("few");
            self.turn_at = self.turn_at.max(now.checked_sub(interval).unwrap_or(self.turn_at));
            if !self.places[place].is_empty() {
                return Some(self.places[place].clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_has_one_turn_per_interval_spread_over_it() {
        let start = Instant::now();
        let mut wheel = Wheel::new(Duration::from_millis(1280), start);
        for key in 0..64 {
            wheel.enter(key, start);
        }
        let mut turns = vec![Vec::new(); 64];
        let mut now = start;
        while let Some(turn) = wheel.next_turn()
            && turn < start + Duration::from_millis(1280 * 3)
        {
            now = now.max(turn);
            while let Some(keys) = wheel.take_turn(now) {
                assert!(keys.len() <= 1, "64 connections on 128 places do not meet");
                for key in keys {
                    turns[key as usize].push(now);
                }
            }
        }
        for turns in turns {
            assert!(turns.len() >= 2);
            for pair in turns.windows(2) {
                assert_eq!(pair[1] - pair[0], Duration::from_millis(1280));
            }
        }
    }

    #[test]
    fn a_connection_that_left_has_no_turn_and_the_others_keep_theirs() {
        let start = Instant::now();
        let mut wheel = Wheel::new(Duration::from_millis(128), start);
        let mut places: Vec<_> = (0..256).map(|key| wheel.enter(key, start)).collect();
        for leaver in (0..256).step_by(2) {
            if let Some((moved, place)) = wheel.leave(places[leaver]) {
                places[moved as usize] = place;
            }
        }
        let mut seen = Vec::new();
        while let Some(keys) = wheel.take_turn(start + Duration::from_millis(128)) {
            seen.extend(keys);
        }
        seen.sort_unstable();
        assert_eq!(seen, (1..256).step_by(2).collect::<Vec<u32>>());
    }

    #[test]
    fn a_connection_that_enters_an_empty_wheel_has_one_turn_per_interval_too() {
        let start = Instant::now();
        let mut wheel = Wheel::new(Duration::from_millis(1280), start);
        assert_eq!(wheel.next_turn(), None);
        let entered = start + Duration::from_secs(100);
        wheel.enter(1, entered);
        let mut turns = Vec::new();
        let mut now = entered;
        while turns.len() < 4 {
            now += Duration::from_millis(1);
            while wheel.take_turn(now).is_some() {
                turns.push(now);
            }
        }
        for pair in turns.windows(2) {
            assert_eq!(pair[1] - pair[0], Duration::from_millis(1280));
        }
    }

    #[test]
    fn a_long_pause_is_not_made_up_for() {
        let start = Instant::now();
        let mut wheel = Wheel::new(Duration::from_millis(128), start);
        wheel.enter(7, start);
        let mut turns = 0;
        while wheel.take_turn(start + Duration::from_hours(1)).is_some() {
            turns += 1;
        }
        assert!(turns <= 2, "{turns}");
    }
}
