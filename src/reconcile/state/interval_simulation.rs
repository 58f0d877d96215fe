//! What intervals mean for readers: hours of watched rooms in which attributes change, each compared once in `reconcile.every` or
//! by [`Intervals`], with the default budget of calls. Run it with `--nocapture` for the table.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

use fastrand::Rng;

use super::{
    budget::{Budget, CallPurpose},
    interval::Intervals,
};
use crate::presence::RoomName;

const EVERY: Duration = Duration::from_secs(20);
const TRUST: Duration = Duration::from_mins(1);
/// How attributes change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Once in five seconds.
    Busy,
    /// Ten times within a minute, every ten minutes: hands are raised, microphones muted and unmuted.
    Ordinary,
    /// Once in ten minutes.
    Quiet,
}

const KINDS: [Kind; 3] = [Kind::Busy, Kind::Ordinary, Kind::Quiet];

impl Kind {
    /// When something changes, in milliseconds.
    fn changes(self, hours: u64, random: &mut Rng) -> Vec<u64> {
        const MINUTE: u64 = 60_000;
        let (period, within, count) = match self {
            Self::Busy => (5_000, 5_000, 1),
            Self::Ordinary => (10 * MINUTE, MINUTE, 10),
            Self::Quiet => (10 * MINUTE, 10 * MINUTE, 1),
        };
        let first = random.u64(0..period);
        let mut changes = Vec::new();
        let mut from = first;
        while from < hours * 60 * MINUTE {
            changes.extend((0..count).map(|_| from + random.u64(0..within)));
            from += period;
        }
        changes.sort_unstable();
        changes
    }
}

struct Simulated {
    name: RoomName,
    kind: Kind,
    changes: Vec<u64>,
    shown: usize,
    compared_at: u64,
}

struct Outcome {
    /// Until changes were shown, for each kind: the mean and the 95th percentile, in tenths of a second.
    delays: [Option<[u64; 2]>; 3],
    /// In tenths.
    calls_per_minute: u64,
    /// The longest time between two comparisons of a room.
    longest_gap: Duration,
}

/// How many rooms of each kind a service has.
type Mix = [usize; 3];

/// A run, in milliseconds since its start.
struct Simulation {
    is_adaptive: bool,
    random: Rng,
    rooms: Vec<Simulated>,
    intervals: Intervals,
    start: Instant,
    budget: Budget,
    now: u64,
    calls: u64,
    longest_gap: u64,
    delays: [Vec<u64>; 3],
}

impl Simulation {
    fn new(mix: Mix, hours: u64, is_adaptive: bool) -> Self {
        let start = Instant::now();
        let mut random = Rng::with_seed(17);
        let rooms = rooms(mix, hours, &mut random);
        let mut intervals = Intervals::new(EVERY, TRUST);
        for room in &rooms {
            intervals.watch(&room.name);
        }
        let budget = Budget::new(600, start);
        let (now, calls, longest_gap, delays) = (0, 0, 0, Default::default());
        Self {
            is_adaptive,
            random,
            rooms,
            intervals,
            start,
            budget,
            now,
            calls,
            longest_gap,
            delays,
        }
    }

    fn run(mut self, hours: u64) -> Outcome {
        let first = (0..self.rooms.len()).map(|index| Reverse((self.random.u64(0..20_000), index)));
        let mut due: BinaryHeap<_> = first.collect();
        while let Some(Reverse((due_at, index))) = due.pop() {
            self.now = self.now.max(due_at);
            if self.now > hours * 3_600_000 {
                break;
            }
            let interval = self.compare(index);
            let jittered = interval.mul_f64(self.random.f64().mul_add(0.2, 0.8));
            due.push(Reverse((self.now + millis(jittered), index)));
        }
        Outcome {
            delays: self.delays.map(summary),
            calls_per_minute: self.calls * 10 / hours / 60,
            longest_gap: Duration::from_millis(self.longest_gap),
        }
    }

    /// Compares a room, which may have to wait for the budget. Returns the interval until its next comparison.
    fn compare(&mut self, index: usize) -> Duration {
        self.call();
        let room = &mut self.rooms[index];
        self.longest_gap = self.longest_gap.max(self.now - room.compared_at);
        room.compared_at = self.now;
        while let Some(changed_at) = room.changes.get(room.shown).filter(|at| **at <= self.now) {
            self.delays[room.kind as usize].push(self.now - changed_at);
            room.shown += 1;
            self.intervals.note_news(&room.name);
        }
        let planned = self.intervals.plan(&room.name, true);
        let is_probed = self.intervals.take_probe(&room.name);
        if is_probed || !self.is_adaptive {
            self.call();
        }
        if self.is_adaptive { planned } else { EVERY }
    }

    /// Takes a call as soon as there is one.
    fn call(&mut self) {
        let at = |now| self.start + Duration::from_millis(now);
        while let Err(ready_at) = self.budget.take(CallPurpose::Watched, at(self.now)) {
            self.now = millis(ready_at - self.start) + 1;
        }
        self.calls += 1;
    }
}

fn rooms(mix: Mix, hours: u64, random: &mut Rng) -> Vec<Simulated> {
    let kinds =
        KINDS.into_iter().zip(mix).flat_map(|(kind, count)| std::iter::repeat_n(kind, count));
    let room = |(index, kind): (usize, Kind)| Simulated {
        name: RoomName::parse(&format!("room-{index}")).unwrap(),
        kind,
        changes: kind.changes(hours, random),
        shown: 0,
        compared_at: 0,
    };
    kinds.enumerate().map(room).collect()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap()
}

fn summary(mut delays: Vec<u64>) -> Option<[u64; 2]> {
    delays.sort_unstable();
    let mean = delays.iter().sum::<u64>().checked_div(delays.len() as u64)?;
    Some([mean / 100, delays[delays.len() * 95 / 100] / 100])
}

/// What is simulated: the rooms, for how many hours, and for each kind the mean and the 95th percentile, both in tenths of a second,
/// fixed and adaptive.
type Case = (Mix, u64, &'static [(Kind, [u64; 2], [u64; 2])]);

const CASES: [Case; 6] = [
    ([1, 0, 0], 100, &[(Kind::Busy, [90, 173], [90, 173])]),
    ([0, 1, 0], 400, &[(Kind::Ordinary, [89, 173], [54, 188])]),
    ([0, 0, 1], 400, &[(Kind::Quiet, [89, 172], [136, 258])]),
    (
        [1, 3, 6],
        40,
        &[
            (Kind::Busy, [90, 172], [32, 78]),
            (Kind::Ordinary, [90, 173], [67, 191]),
            (Kind::Quiet, [90, 171], [134, 261]),
        ],
    ),
    (
        [10, 30, 60],
        8,
        &[
            (Kind::Busy, [100, 191], [31, 61]),
            (Kind::Ordinary, [100, 191], [60, 190]),
            (Kind::Quiet, [99, 192], [136, 259]),
        ],
    ),
    // More than the budget allows.
    (
        [30, 90, 180],
        4,
        &[
            (Kind::Busy, [300, 570], [220, 419]),
            (Kind::Ordinary, [300, 569], [253, 491]),
            (Kind::Quiet, [300, 571], [307, 581]),
        ],
    ),
];

#[test]
fn changes_that_no_webhook_tells_are_shown_sooner_within_the_same_calls() {
    println!("until shown, mean and p95 in tenths of a second: fixed -> adaptive");
    for (mix, hours, expected) in CASES {
        let [fixed, adaptive] =
            [false, true].map(|is_adaptive| Simulation::new(mix, hours, is_adaptive).run(hours));
        println!(
            "{mix:?} rooms: {} -> {} tenths of calls a minute, longest gap {:.1?} -> {:.1?}",
            fixed.calls_per_minute,
            adaptive.calls_per_minute,
            fixed.longest_gap,
            adaptive.longest_gap
        );
        assert!(adaptive.calls_per_minute <= fixed.calls_per_minute);
        let longer = EVERY / 2 + Duration::from_secs(1);
        assert!(adaptive.longest_gap <= fixed.longest_gap + longer);
        let both = fixed.delays.into_iter().zip(adaptive.delays);
        let rows = KINDS.into_iter().zip(both).filter_map(|(kind, (before, after))| {
            let (before, after) = (before?, after?);
            println!("  {kind:?}: {before:?} -> {after:?}");
            assert!(after[1] <= before[1] + 100, "by the quiet room's longer interval at most");
            Some((kind, before, after))
        });
        assert_eq!(rows.collect::<Vec<_>>(), expected);
    }
}
