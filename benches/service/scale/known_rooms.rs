//! Rooms that the service knows and nobody watches, but for a few.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    fan_out::{Load, kib_of, open},
    process::Measured,
    target::{Kind, Target},
    tenth,
};

const PEOPLE: usize = 5;
const REST: Duration = Duration::from_secs(10);

pub fn measure() {
    let (known, hot) = (tenth(100_000), tenth(1_000));
    let service = [Measured::service()];
    let before = kib_of(&service);
    let target = Target::new(Kind::Lists, &[service[0].address], known, PEOPLE);
    let started = Instant::now();
    target.fill();
    let took = started.elapsed();
    let kib = kib_of(&service).saturating_sub(before) as f64;
    println!(
        "\n{known} rooms of {PEOPLE} people, known after {:.0} s: {:.2} KiB a room, {:.2} a person",
        took.as_secs_f64(),
        kib / known as f64,
        kib / (known * PEOPLE) as f64,
    );
    let at_rest = || {
        let (cpu, since) = (service[0].cpu(), Instant::now());
        thread::sleep(REST);
        100.0 * (service[0].cpu() - cpu).as_secs_f64() / since.elapsed().as_secs_f64()
    };
    println!("  at rest, nobody watches: {:.2} % of a processor", at_rest());
    let load = Load { streams: hot, rooms: hot, people: PEOPLE, ..Load::at(1) };
    let (_readers, kib) = open(&load, &target, &service);
    println!(
        "  {hot} of them hot, a stream each: {kib:.2} KiB each; at rest {:.2} % of a processor",
        at_rest()
    );
}
