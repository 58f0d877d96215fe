//! When which event is published: event `n` goes to room `n % rooms`, at `start + n * interval`. Readers know it too, so that a
//! latency counts from the time at which an event was due, and nobody who is late can hide it.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Schedule {
    /// Tells this schedule's events from those of others on the same streams.
    pub run: u64,
    /// By [`now`].
    pub start: u64,
    pub interval: u64,
    pub rooms: u64,
    /// The events before this one do not count.
    pub warm_up: u64,
    pub total: u64,
}

impl Schedule {
    pub fn new(run: u64, rooms: usize, per_sec: u32, warm_up: Duration, time: Duration) -> Self {
        let interval = 1_000_000_000 / u64::from(per_sec);
        let events = |time: Duration| nanos(time) / interval;
        let (warm_up, total) = (events(warm_up), events(warm_up + time));
        Self { run, start: 0, interval, rooms: rooms as u64, warm_up, total }.soon()
    }

    /// The same, beginning soon.
    pub fn soon(self) -> Self {
        Self { start: now() + nanos(Duration::from_millis(200)), ..self }
    }

    pub fn at(&self, event: u64) -> u64 {
        self.start + event * self.interval
    }

    pub fn counts_from(&self) -> u64 {
        self.at(self.warm_up)
    }

    pub fn end(&self) -> u64 {
        self.at(self.total)
    }

    /// How many events of a room count.
    pub fn counted(&self, room: usize) -> u64 {
        let below = |event: u64| (event + self.rooms - 1).saturating_sub(room as u64) / self.rooms;
        below(self.total) - below(self.warm_up)
    }
}

/// Nanoseconds of a clock that all processes of a machine share.
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let part = |part: i64| u64::try_from(part).expect("after the start of the machine");
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
}

/// Sleeps until that time, and not at all if it is past.
pub fn sleep_until(time: u64) {
    std::thread::sleep(Duration::from_nanos(time.saturating_sub(now())));
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).expect("not for centuries")
}
