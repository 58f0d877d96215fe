//! The constants of `docs/capacity.md`: measured at one size, then what they predict of another size, beside what is measured there.
//!
//! `cargo bench --bench service -- capacity`. Wants the machine for itself.

use std::{
    ops::Range,
    thread,
    time::{Duration, Instant},
};

use super::{
    fan_out::{self, Load, Outcome, kib_of},
    load,
    process::Measured,
    publisher::publish,
    schedule::Schedule,
    shared::{PORT, until_ready},
    target::{Kind, Target},
    tenth,
};

/// A prediction is good if it is off by no more than this share.
const GOAL: f64 = 0.15;
/// Rooms that are in nobody's way.
const WARM_UP_ROOMS: Range<usize> = 1_000_000..1_000_050;
const SETTLE: Duration = Duration::from_secs(2);

/// What one of each takes.
#[derive(Debug)]
struct Constants {
    /// KiB of a service that knows hardly anything.
    base: f64,
    /// KiB of a person in a room.
    person: f64,
    /// KiB of a stream.
    stream: f64,
    /// KiB of the kernel for a stream's socket: half of what both ends take.
    socket: f64,
    /// CPU µs of a webhook and of a frame.
    webhook: f64,
    frame: f64,
}

/// Of one run.
struct Measurement {
    load: Load,
    base_kib: f64,
    rooms_kib: f64,
    socket_kib: f64,
    /// CPU of the events with nobody watching.
    unwatched: Duration,
    outcome: Outcome,
}

pub fn measure() {
    let time = Duration::from_secs(10);
    let small = Load { streams: tenth(4_000), rooms: tenth(100), time, ..Load::at(200) };
    let large = Load { streams: tenth(12_000), rooms: tenth(400), time, ..Load::at(300) };
    let constants = Constants::of(&Measurement::of(&small));
    println!(
        "constants, of {} streams in {} rooms, {} events a second:",
        small.streams, small.rooms, small.per_sec
    );
    constants.print();
    of_redis(&small);
    println!(
        "predicted of {} streams in {} rooms, {} events a second, and measured:",
        large.streams, large.rooms, large.per_sec
    );
    let measured = Measurement::of(&large);
    compare("memory, MiB", constants.memory_mib(&large), measured.memory_mib());
    let took = measured.outcome.took.as_secs_f64();
    let frames_per_sec = measured.outcome.frames as f64 / took;
    let webhooks_per_sec = 2.0 * f64::from(large.per_sec) * large.time.as_secs_f64() / took;
    let predicted = (constants.webhook * webhooks_per_sec + constants.frame * frames_per_sec) / 1e6;
    compare("processors", predicted, measured.outcome.cpu.as_secs_f64() / took);
}

fn compare(what: &str, predicted: f64, measured: f64) {
    let off = predicted / measured - 1.0;
    let verdict = if off.abs() <= GOAL { "met" } else { "missed" };
    println!(
        "  {what:<14} {predicted:>8.3} {measured:>8.3}   off by {:+.1} % (goal: {:.0} %, {verdict})",
        100.0 * off,
        100.0 * GOAL
    );
}

impl Measurement {
    fn of(load: &Load) -> Self {
        let service = [Measured::service_with(&[fan_out::NO_COALESCING])];
        // What is there once, however many there are later.
        load::flood(&load::join_requests_of(WARM_UP_ROOMS, load.people), &[service[0].address]);
        thread::sleep(SETTLE);
        let base = kib_of(&service);
        let mut target = Target::new(Kind::Lists, &[service[0].address], load.rooms, load.people);
        target.fill();
        thread::sleep(SETTLE);
        let rooms = kib_of(&service);
        let unwatched = unwatched(load, &mut target, &service[0]);
        let slab = slab_kib();
        let (mut readers, kib_per_stream) = fan_out::open(load, &target, &service);
        let socket_kib = (slab_kib() - slab) / 2.0 / load.streams as f64;
        let outcome = fan_out::publish_to(load, &mut target, &service, &mut readers, 2);
        let outcome = Outcome { kib_per_stream, ..outcome };
        Self {
            load: *load,
            base_kib: base as f64,
            rooms_kib: (rooms - base) as f64,
            socket_kib,
            unwatched,
            outcome,
        }
    }

    fn memory_mib(&self) -> f64 {
        let streams = self.outcome.kib_per_stream * self.load.streams as f64;
        (self.base_kib + self.rooms_kib + streams) / 1024.0
    }
}

/// What events cost while nobody streams.
fn unwatched(load: &Load, target: &mut Target, service: &Measured) -> Duration {
    let schedule = Schedule::new(1, load.rooms, load.per_sec, Duration::ZERO, load.time);
    let events = target.events(&schedule);
    let before = service.cpu();
    publish(&target.addresses, &schedule.soon(), &events);
    service.cpu() - before
}

/// Of the whole machine.
fn slab_kib() -> f64 {
    let text = std::fs::read_to_string("/proc/meminfo").expect("it is there");
    let line = text.lines().find_map(|line| line.strip_prefix("Slab:")).expect("it is there");
    line.trim().trim_end_matches(" kB").parse().expect("kibibytes")
}

impl Constants {
    fn of(measurement: &Measurement) -> Self {
        let Measurement { load, base_kib, rooms_kib, socket_kib, unwatched, outcome } = measurement;
        let webhooks = 2.0 * f64::from(load.per_sec) * load.time.as_secs_f64();
        Self {
            base: *base_kib,
            person: rooms_kib / (load.rooms * load.people) as f64,
            stream: outcome.kib_per_stream,
            socket: *socket_kib,
            webhook: unwatched.as_secs_f64() * 1e6 / webhooks,
            frame: outcome.cpu.saturating_sub(*unwatched).as_secs_f64() * 1e6
                / outcome.frames as f64,
        }
    }

    fn print(&self) {
        let Self { base, person, stream, socket, webhook, frame } = self;
        println!(
            "  {:.1} MiB a process; KiB: {person:.2} a person in a room, {stream:.2} a stream, {socket:.2} of the kernel for its socket",
            base / 1024.0
        );
        println!("  CPU: {webhook:.1} µs a webhook, {frame:.2} µs a frame");
    }

    /// Without the kernel's.
    fn memory_mib(&self, load: &Load) -> f64 {
        let (people, streams) = ((load.rooms * load.people) as f64, load.streams as f64);
        (self.base + self.person * people + self.stream * streams) / 1024.0
    }
}

/// What a webhook costs Redis, and the service with Redis.
fn of_redis(load: &Load) {
    let Some(redis) = Measured::redis(PORT) else {
        println!("  redis-server is not installed: nothing measured with it");
        return;
    };
    let url = format!("redis://127.0.0.1:{PORT}");
    let service = Measured::service_with(&[("REDIS_URL", &url)]);
    until_ready(service.address);
    let before = redis.proportional_kib();
    let mut target = Target::new(Kind::Lists, &[service.address], load.rooms, load.people);
    target.fill();
    let people = (load.rooms * load.people) as f64;
    let kib = (redis.proportional_kib() - before) as f64 / people;
    let (cpu, started) = (redis.cpu(), Instant::now());
    let of_service = unwatched(load, &mut target, &service);
    let webhooks = 2.0 * f64::from(load.per_sec) * load.time.as_secs_f64();
    let micros = |cpu: Duration| cpu.as_secs_f64() * 1e6 / webhooks;
    println!(
        "  with Redis: {:.1} µs a webhook, Redis {:.1} µs and {kib:.2} KiB a person, within {:.0} s",
        micros(of_service),
        micros(redis.cpu() - cpu),
        started.elapsed().as_secs_f64()
    );
}
