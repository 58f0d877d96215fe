//! How often each watched room is compared: more often while comparisons find what no webhook told, such as a raised hand, and
//! less often while they find nothing.
//!
//! Pure, and without a clock: what is planned counts, and the caller adds jitter. Together the rooms that an instance watches
//! take no more calls than if each were compared once in `reconcile.every`: those that are compared more often share what
//! quiet ones leave, and what was left before, up to a few calls. `interval_simulation` has what
//! this means for readers.

use std::{collections::HashMap, time::Duration};

use crate::presence::RoomName;

/// A comparison that finds nothing makes the next one come this much later.
const GROWTH: f64 = 1.5;
/// One that finds something makes the next ones come 3.4 times as often: this many times [`GROWTH`]. Changes come in bursts, and
/// the first one of a burst is found late.
const STEPS_AFTER_NEWS: usize = 3;
/// The shortest interval is this, or a tenth of `reconcile.every` where that is longer. Where `reconcile.every` is short itself, it
/// is half of that.
const MIN_INTERVAL: Duration = Duration::from_secs(2);
/// Of what quiet rooms leave, this many calls are kept for later.
const MAX_SAVED: f64 = 12.0;
/// Saved calls are given out over this many times `reconcile.every`, so that a burst does not use them up at once.
const SPENT_OVER: f64 = 1.5;
/// The part of `reconcile.every` within which a room has one probe of somebody who gives no reason to doubt, however often it is
/// compared.
const PROBE_PART: f64 = 0.65;
/// The step of the ladder at which rooms begin, that of `reconcile.every`.
const USUAL: usize = 1;

/// The intervals of the rooms that are watched.
#[derive(Debug)]
pub struct Intervals {
    every: Duration,
    /// The intervals that rooms may want, from that of a quiet room to the shortest.
    ladder: Vec<Duration>,
    rooms: HashMap<RoomName, Plan>,
    /// How many rooms are on each step of the ladder.
    counts: Vec<usize>,
    /// Calls that were left until now. Negative where plans took more than was there.
    saved: f64,
}

#[derive(Debug)]
struct Plan {
    step: usize,
    /// What the room got: its step of the ladder, or more.
    interval: Duration,
    /// Since the last plan a comparison has found what no webhook told.
    has_news: bool,
    since_probe: Duration,
}

impl Intervals {
    /// Rooms are usually compared once in `every`, and trusted for `trust` after that. The longest interval is half as long again,
    /// but fits twice into `trust`, so that a quiet room stays trusted if one comparison fails.
    pub fn new(every: Duration, trust: Duration) -> Self {
        let shortest = MIN_INTERVAL.max(every / 10).min(every / 2);
        let mut ladder = vec![every.mul_f64(GROWTH).min(trust / 2).max(every), every];
        let mut interval = every;
        while interval > shortest {
            interval = interval.div_f64(GROWTH).max(shortest);
            ladder.push(interval);
        }
        let counts = vec![0; ladder.len()];
        Self { every, ladder, rooms: HashMap::new(), counts, saved: 0.0 }
    }

    /// The interval of a quiet room.
    pub fn longest(&self) -> Duration {
        self.ladder[0]
    }

    pub fn watch(&mut self, room: &RoomName) {
        if !self.rooms.contains_key(room) {
            self.counts[USUAL] += 1;
            let plan = Plan {
                step: USUAL,
                interval: self.every,
                has_news: false,
                since_probe: Duration::ZERO,
            };
            self.rooms.insert(room.clone(), plan);
        }
    }

    pub fn unwatch(&mut self, room: &RoomName) {
        if let Some(plan) = self.rooms.remove(room) {
            self.counts[plan.step] -= 1;
        }
    }

    /// A comparison of the room has found what no webhook told.
    pub fn note_news(&mut self, room: &RoomName) {
        if let Some(plan) = self.rooms.get_mut(room) {
            plan.has_news = true;
        }
    }

    /// The interval at which the room is compared now.
    pub fn of(&self, room: &RoomName) -> Duration {
        self.rooms.get(room).map_or(self.every, |plan| plan.interval)
    }

    /// A comparison of the room has ended. Returns the interval until its next one. Only a regular one that this instance made
    /// has cost what was planned, and shows by finding nothing that the room is quiet.
    pub fn plan(&mut self, room: &RoomName, was_regular: bool) -> Duration {
        let Some(plan) = self.rooms.get_mut(room) else { return self.every };
        self.counts[plan.step] -= 1;
        if std::mem::take(&mut plan.has_news) {
            plan.step = (plan.step + STEPS_AFTER_NEWS).min(self.ladder.len() - 1);
        } else if was_regular {
            plan.step = plan.step.saturating_sub(1);
        }
        self.counts[plan.step] += 1;
        if was_regular {
            let left = plan.interval.div_duration_f64(self.every) - 1.0;
            self.saved = (self.saved + left).clamp(-MAX_SAVED, MAX_SAVED);
            plan.since_probe += plan.interval;
        }
        let wanted = self.ladder[plan.step];
        let interval = wanted.max(self.shortest_affordable());
        if let Some(plan) = self.rooms.get_mut(room) {
            plan.interval = interval;
        }
        interval
    }

    /// Whether it is time to probe somebody in the room who gives no reason to doubt. If so, it is not for a while.
    pub fn take_probe(&mut self, room: &RoomName) -> bool {
        let Some(plan) = self.rooms.get_mut(room) else { return true };
        let is_time = plan.since_probe >= self.every.mul_f64(PROBE_PART);
        if is_time {
            plan.since_probe = Duration::ZERO;
        }
        is_time
    }

    /// The shortest interval for which there are calls. Rooms get what they want, the quiet ones first, as long as that is no more
    /// than an equal share of what is left; all others get an equal share. So no room's interval is longer than
    /// `reconcile.every` unless it wants that.
    fn shortest_affordable(&self) -> Duration {
        let mut rooms = self.counts.iter().sum::<usize>() as f64;
        // Calls in the time of `every`.
        let mut calls = rooms + self.saved / SPENT_OVER;
        for (count, interval) in self.counts.iter().zip(&self.ladder) {
            let wanted = self.every.div_duration_f64(*interval);
            if *count > 0 && calls < rooms * wanted {
                let share = (calls / rooms).max(1.0);
                return self.every.div_f64(share);
            }
            rooms -= *count as f64;
            calls -= *count as f64 * wanted;
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(20);
    const TRUST: Duration = Duration::from_mins(1);

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).unwrap()
    }

    fn watching(names: &[&str]) -> Intervals {
        let mut intervals = Intervals::new(EVERY, TRUST);
        for name in names {
            intervals.watch(&room(name));
        }
        intervals
    }

    /// The interval in tenths of a second after a regular comparison.
    fn after(intervals: &mut Intervals, name: &str, has_news: bool) -> u128 {
        if has_news {
            intervals.note_news(&room(name));
        }
        (intervals.plan(&room(name), true).as_millis() + 50) / 100
    }

    fn ladder(every: Duration, trust: Duration) -> Vec<u128> {
        let ladder = Intervals::new(every, trust).ladder;
        ladder.iter().map(|interval| (interval.as_millis() + 50) / 100).collect()
    }

    #[test]
    fn intervals_lie_between_two_seconds_and_half_of_the_trust() {
        let secs = Duration::from_secs;
        assert_eq!(ladder(EVERY, TRUST), [300, 200, 133, 89, 59, 40, 26, 20]);
        assert_eq!(ladder(EVERY, secs(50)), [250, 200, 133, 89, 59, 40, 26, 20]);
        assert_eq!(ladder(EVERY, secs(30)), [200, 200, 133, 89, 59, 40, 26, 20]);
        assert_eq!(ladder(secs(3), TRUST), [45, 30, 20, 15]);
        assert_eq!(ladder(secs(1), TRUST), [15, 10, 7, 5]);
        assert_eq!(ladder(secs(60), secs(600)), [900, 600, 400, 267, 178, 119, 79, 60]);
    }

    #[test]
    fn news_shorten_the_interval_and_each_comparison_without_any_makes_it_longer() {
        let mut intervals = watching(&["general"]);
        // Calls were left before.
        intervals.saved = MAX_SAVED;
        let news = [true, true, true, false, false, false, false, false, false, false, false];
        let got = news.map(|has_news| after(&mut intervals, "general", has_news));
        assert_eq!(got[..3], [59, 23, 25], "as short as what was left allows");
        assert_eq!(got[7..], [133, 200, 300, 300]);
    }

    #[test]
    fn a_room_alone_takes_more_calls_only_if_it_left_some_before() {
        let mut intervals = watching(&["general"]);
        for _ in 0..10 {
            assert_eq!(after(&mut intervals, "general", true), 200);
        }
        // Then it is quiet for minutes.
        let got = [false; 10].map(|has_news| after(&mut intervals, "general", has_news));
        assert_eq!(got, [200, 200, 200, 200, 200, 200, 300, 300, 300, 300]);
        let got = [true; 4].map(|has_news| after(&mut intervals, "general", has_news));
        assert_eq!(got, [89, 102, 122, 145], "until that is used up");
    }

    #[test]
    fn busy_rooms_share_what_quiet_ones_leave() {
        let names: Vec<_> = (0..10).map(|number| format!("room-{number}")).collect();
        let mut intervals = watching(&names.iter().map(String::as_str).collect::<Vec<_>>());
        for name in &names[2..] {
            assert_eq!(after(&mut intervals, name, false), 300);
        }
        let mut settled = |busy: &[String]| {
            for name in busy.iter().cycle().take(40) {
                after(&mut intervals, name, true);
            }
            // Whatever was left or taken until then.
            intervals.saved = 0.0;
            (intervals.shortest_affordable().as_millis() + 50) / 100
        };
        // Eight rooms at 30 s leave four calls in 20 s, and the second, which is compared as usual, its own.
        assert_eq!(settled(&names[..1]), 55);
        assert_eq!(settled(&names[..2]), 86);
        assert_eq!(
            settled(&names[..]),
            200,
            "nobody's is longer than usual because others are busy"
        );
    }

    #[test]
    fn a_comparison_that_says_nothing_of_quiet_changes_no_interval() {
        let mut intervals = watching(&["general"]);
        assert_eq!(intervals.plan(&room("general"), false), EVERY);
        assert_eq!(intervals.plan(&room("unknown"), true), EVERY);
        intervals.saved = MAX_SAVED;
        // News count, whether or not this comparison was a regular one.
        intervals.note_news(&room("general"));
        assert_eq!(intervals.plan(&room("general"), false).as_millis(), 5_925);
        assert_eq!(intervals.plan(&room("general"), false).as_millis(), 5_925);
        assert_eq!(intervals.of(&room("general")).as_millis(), 5_925);
        assert_eq!(intervals.saved, MAX_SAVED);
    }

    #[test]
    fn a_room_begins_anew_when_it_is_watched_again() {
        let mut intervals = watching(&["general", "general"]);
        intervals.note_news(&room("general"));
        intervals.plan(&room("general"), true);
        intervals.unwatch(&room("general"));
        intervals.unwatch(&room("general"));
        assert!(intervals.rooms.is_empty() && intervals.counts.iter().all(|count| *count == 0));
        intervals.watch(&room("general"));
        assert_eq!(intervals.of(&room("general")), EVERY);
    }

    #[test]
    fn a_room_that_is_compared_often_has_no_more_probes_for_that() {
        let mut intervals = watching(&["general"]);
        let name = room("general");
        let mut probes_of = |interval: u64| {
            let is_probed = (0..60).filter(|_| {
                intervals.rooms.get_mut(&name).unwrap().interval = Duration::from_secs(interval);
                intervals.plan(&name, true);
                intervals.take_probe(&name)
            });
            is_probed.count()
        };
        assert_eq!(probes_of(20), 60);
        assert_eq!(probes_of(30), 60);
        // Two minutes.
        assert_eq!(probes_of(2), 8);
    }
}
