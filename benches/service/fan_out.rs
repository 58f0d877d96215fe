//! Changes in many rooms, each with many streams: how late they come, and what they cost. Service and bare loop are measured in turn.
//!
//! What makes such a load kind, and is not done here:
//!
//! - counting a latency from just before the request is written, so that nobody sees how late that was; it counts from when the event
//!   was due;
//! - one connection that waits for each answer, so that there are never two events at once, and one rate at which no thread falls asleep
//!   for long. At 50 a second each wake-up of a sleeping thread is seen, and at 500 each microsecond of work;
//! - taking the webhooks' own cost off, as if frames came without them;
//! - small webhooks and lists. An event is two frames of 20 people, as joins and leaves make them;
//! - telling the bare loop by a few bytes what to write. It gets the bytes by HTTP, too, and its threads have the streams that they
//!   accepted;
//! - reading all streams by one thread, whose queue would be most of the latency on both sides of the ratio. Two share them;
//! - leaving heartbeats out, and counting pages as the service's that others use, too.

use std::{fmt, thread, time::Duration};

use super::{
    histogram::Histogram,
    process::Measured,
    publisher::publish,
    readers::{Readers, Spec},
    report::{median, ratio},
    schedule::{Schedule, now, sleep_until},
    target::{Kind, Target},
    tenth,
};

/// Streams are idle for this long before their memory is read.
const SETTLE: Duration = Duration::from_secs(3);
/// What has not come this long after everything else is lost.
const DRAIN: Duration = Duration::from_secs(5);
/// After the last event, frames that show none of them may still come.
const REST: Duration = Duration::from_millis(100);
/// Each change goes out at once, as from the bare loop, which does not wait for more either.
pub const NO_COALESCING: (&str, &str) = ("LKP__STREAM__COALESCE", "0ms");

/// What is asked of a server.
#[derive(Clone, Copy)]
pub struct Load {
    pub streams: usize,
    pub rooms: usize,
    pub people: usize,
    /// Events, of all rooms together.
    pub per_sec: u32,
    pub warm_up: Duration,
    pub time: Duration,
    /// Threads of readers.
    pub readers: usize,
    pub opened_per_sec: u32,
}

impl Load {
    pub fn at(per_sec: u32) -> Self {
        let (warm_up, time) = (Duration::from_secs(2), Duration::from_secs(8));
        Self {
            streams: tenth(10_000),
            rooms: tenth(200),
            people: 20,
            per_sec,
            warm_up,
            time,
            readers: 2,
            opened_per_sec: 3_000,
        }
    }

    /// Those that a run sends, with the ones that fill the rooms.
    pub fn webhooks(&self) -> usize {
        let events = (self.warm_up + self.time).as_secs() * u64::from(self.per_sec);
        self.rooms * (self.people + 1) + 2 * usize::try_from(events).expect("few")
    }
}

/// What came of it.
pub struct Outcome {
    pub kib_per_stream: f64,
    pub cpu: Duration,
    pub cpu_of_readers: Duration,
    /// From the first event that counts to the last frame.
    pub took: Duration,
    pub frames: u64,
    pub frame_bytes: u64,
    pub latencies: Histogram,
    /// Events that streams should have shown, and those that they did not.
    pub expected: u64,
    pub lost: u64,
    pub wrong: u64,
    /// Streams that ended meanwhile.
    pub ended: u64,
}

impl Outcome {
    pub fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.frames.max(1) as f64
    }

    pub fn mean_frame_bytes(&self) -> usize {
        usize::try_from(self.frame_bytes / self.frames.max(1)).expect("a frame is small")
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:.2} KiB a stream, {:.2} µs of CPU a frame, p50 {:.2} and p99 {:.2} ms, {} of {} lost",
            self.kib_per_stream,
            self.cpu_micros(),
            self.latencies.millis(500),
            self.latencies.millis(990),
            self.lost,
            self.expected,
        )?;
        match (self.wrong, self.ended) {
            (0, 0) => Ok(()),
            (wrong, ended) => write!(formatter, ", {wrong} WRONG, {ended} streams ENDED"),
        }
    }
}

/// Fills the rooms of a target, opens streams, and publishes events. `processes` are those whose cost counts.
pub fn run(load: &Load, target: &mut Target, processes: &[Measured]) -> Outcome {
    target.fill();
    let (mut readers, kib_per_stream) = open(load, target, processes);
    let outcome = publish_to(load, target, processes, &mut readers, 1);
    Outcome { kib_per_stream, ..outcome }
}

/// Opens streams of rooms that are filled. Returns what each takes in memory, too.
pub fn open(load: &Load, target: &Target, processes: &[Measured]) -> (Readers, f64) {
    thread::sleep(SETTLE);
    let before = kib_of(processes);
    let spec = Spec::new(target.kind, &target.addresses, load.rooms, load.streams);
    let spec = Spec { threads: load.readers, per_sec: load.opened_per_sec, ..spec };
    let readers = Readers::open(&spec);
    thread::sleep(SETTLE);
    (readers, kib_of(processes).saturating_sub(before) as f64 / load.streams as f64)
}

pub fn kib_of(processes: &[Measured]) -> usize {
    processes.iter().map(Measured::proportional_kib).sum()
}

/// Publishes events to rooms whose streams are open.
pub fn publish_to(
    load: &Load,
    target: &mut Target,
    processes: &[Measured],
    readers: &mut Readers,
    run: u64,
) -> Outcome {
    let schedule = Schedule::new(run, load.rooms, load.per_sec, load.warm_up, load.time);
    let events = target.events(&schedule);
    // Signing them has taken a while.
    let schedule = schedule.soon();
    let cpu = || processes.iter().map(Measured::cpu).sum::<Duration>();
    readers.schedule(schedule);
    let expected = expected(load, &schedule);
    thread::scope(|scope| {
        let publishing = scope.spawn(|| publish(&target.addresses, &schedule, &events));
        sleep_until(schedule.counts_from() - 1_000_000);
        let (first, before, readers_before, from) = (readers.status(), cpu(), readers.cpu(), now());
        sleep_until(schedule.end());
        let covered = readers.until(expected, DRAIN, |status| status.covered);
        thread::sleep(REST);
        let (last, until) = (readers.status(), now());
        let (spent, of_readers) = (cpu() - before, readers.cpu() - readers_before);
        publishing.join().expect("all are published");
        Outcome {
            kib_per_stream: 0.0,
            cpu: spent,
            cpu_of_readers: of_readers,
            took: Duration::from_nanos(until - from),
            frames: last.frames - first.frames,
            frame_bytes: last.frame_bytes - first.frame_bytes,
            latencies: readers.latencies(),
            expected,
            lost: expected.saturating_sub(covered),
            wrong: last.wrong,
            ended: last.ended - first.ended,
        }
    })
}

/// How many events streams should show that count.
fn expected(load: &Load, schedule: &Schedule) -> u64 {
    (0..load.streams).map(|stream| schedule.counted(stream % load.rooms)).sum()
}

/// How many rounds service and bare loops are measured in turn.
pub const ROUNDS: usize = 3;
/// Events a second.
const RATES: [u32; 2] = [50, 500];

/// The service, and the bare loop with one thread and with two.
struct Round([Outcome; 3]);

pub fn measure(rounds: Option<usize>) {
    let rounds = rounds.unwrap_or(ROUNDS);
    let Load { streams, rooms, people, .. } = Load::at(1);
    println!(
        "{streams} streams in {rooms} rooms of {people} people, an event is two frames; medians of {rounds}:"
    );
    for per_sec in RATES {
        let load = Load::at(per_sec);
        let rounds: Vec<_> = (1..=rounds)
            .map(|round| {
                eprintln!("{per_sec} events a second, round {round} of {rounds}");
                Round::measure(&load)
            })
            .collect();
        report(per_sec, &rounds);
    }
}

impl Round {
    fn measure(load: &Load) -> Self {
        let service = of_service(load);
        let bytes = service.mean_frame_bytes();
        Self([service, of_bare_loop(load, 1, bytes), of_bare_loop(load, 2, bytes)])
    }
}

pub fn of_service(load: &Load) -> Outcome {
    let service = [Measured::service_with(&[NO_COALESCING])];
    let mut target = Target::new(Kind::Lists, &[service[0].address], load.rooms, load.people);
    run(load, &mut target, &service)
}

pub fn of_bare_loop(load: &Load, threads: usize, list_bytes: usize) -> Outcome {
    let bare = [Measured::bare_loop(threads)];
    let target = Target::new(Kind::BareLoop, &[bare[0].address], load.rooms, load.people);
    run(load, &mut target.with_list_bytes(list_bytes), &bare)
}

type Row = (&'static str, fn(&Outcome) -> f64);

fn report(per_sec: u32, rounds: &[Round]) {
    println!("\n{per_sec} events a second: {:>33} {:>9} {:>9}", "service", "1 thread", "2 threads");
    let figures = |figure: fn(&Outcome) -> f64| {
        [0, 1, 2].map(|which| median(rounds.iter().map(|round| figure(&round.0[which]))))
    };
    let rows: [Row; 8] = [
        ("KiB per idle stream", |outcome| outcome.kib_per_stream),
        ("CPU µs a frame, everything", Outcome::cpu_micros),
        ("p50 ms", |outcome| outcome.latencies.millis(500)),
        ("p99 ms", |outcome| outcome.latencies.millis(990)),
        ("bytes of a list", |outcome| outcome.mean_frame_bytes() as f64),
        ("lost", |outcome| outcome.lost as f64),
        ("streams that ended", |outcome| outcome.ended as f64),
        ("processors of the readers", |outcome| {
            outcome.cpu_of_readers.as_secs_f64() / outcome.took.as_secs_f64()
        }),
    ];
    for (name, figure) in rows {
        let [service, single, bare] = figures(figure);
        println!("  {name:<46} {service:>9.2} {single:>9.2} {bare:>9.2}");
    }
    let over = |figure: fn(&Outcome) -> f64, bare: usize| {
        median(rounds.iter().map(|round| figure(&round.0[0]) / figure(&round.0[bare])))
    };
    // At 500 events a second one thread has no time to spare.
    let (cpu_goal, bare) = if per_sec < 500 { (1.35, 1) } else { (1.0, 2) };
    ratio(&format!("CPU over {bare} thread(s)"), cpu_goal, over(Outcome::cpu_micros, bare));
    ratio(
        &format!("p99 over {bare} thread(s)"),
        1.25,
        over(|outcome| outcome.latencies.millis(990), bare),
    );
}
