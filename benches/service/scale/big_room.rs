//! A room with thousands of people and of watchers, which changes all the time: with whole lists, and with what changed.

use std::time::Duration;

use crate::{
    fan_out::{self, Load},
    process::Measured,
    target::{Kind, Target},
    tenth,
};

/// Two changes each.
const EVENTS_PER_SEC: u32 = 20;

pub fn measure() {
    let watchers = tenth(10_000);
    // A hundredth of the watchers of whole lists: what one of them gets is the same, and all of them would be gigabytes a second.
    for (kind, name, watchers) in [
        (Kind::Deltas, "what changed (rooms/stream)", watchers),
        (Kind::Lists, "whole lists (participants/stream)", watchers / 100),
    ] {
        of(kind, name, watchers);
    }
}

fn of(kind: Kind, name: &str, watchers: usize) {
    let load = Load {
        streams: watchers,
        rooms: 1,
        people: tenth(5_000),
        warm_up: Duration::from_secs(3),
        time: Duration::from_secs(15),
        opened_per_sec: 500,
        ..Load::at(EVENTS_PER_SEC)
    };
    let service = [Measured::service()];
    let mut target = Target::new(kind, &[service[0].address], 1, load.people);
    target.fill();
    let (mut readers, kib) = fan_out::open(&load, &target, &service);
    let before = readers.status().bytes;
    let outcome = fan_out::publish_to(&load, &mut target, &service, &mut readers, 1);
    let bytes = readers.status().bytes - before;
    let all = (load.warm_up + load.time).as_secs_f64() * watchers as f64;
    println!(
        "\na room of {} people, {} changes a second, {watchers} watchers of {name}:",
        load.people,
        2 * EVENTS_PER_SEC
    );
    println!(
        "  {:.0} bytes a watcher a second, {:.1} frames; p50 {:.1} and p99 {:.1} ms; {:.2} of a processor, {:.2} µs a frame; {kib:.2} KiB a watcher; {} of {} lost",
        bytes as f64 / all,
        outcome.frames as f64 / watchers as f64 / outcome.took.as_secs_f64(),
        outcome.latencies.millis(500),
        outcome.latencies.millis(990),
        outcome.cpu.as_secs_f64() / outcome.took.as_secs_f64(),
        outcome.cpu_micros(),
        outcome.lost,
        outcome.expected,
    );
}
