//! Four instances on one Redis with as many streams as they have descriptors for, and a restart of one after the other while events
//! go on. Readers come back as browsers do, through a balancer that knows who has the fewest connections.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    fan_out::{self, Load},
    load::get,
    process::Measured,
    publisher::publish_until,
    readers::Readers,
    schedule::Schedule,
    shared::{PORT, until_ready},
    target::{Kind, Target},
    tenth,
};

const INSTANCES: usize = 4;
const EVENTS_PER_SEC: u32 = 100;
/// All are back within this time, after an instance was told to end.
const GOAL: Duration = Duration::from_mins(1);
/// Nothing takes longer.
const PATIENCE: Duration = Duration::from_mins(2);
/// Lists are the same by then.
const CONVERGING: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(250);
/// Events go on until all instances were restarted.
const MAX_RESTARTS: Duration = Duration::from_mins(4);

pub fn measure() {
    let Some(redis) = Measured::redis(PORT) else {
        println!("\nredis-server is not installed: no instances measured");
        return;
    };
    let mut instances: Vec<_> = (0..INSTANCES).map(|_| start("127.0.0.1:0")).collect();
    let addresses: Vec<_> = instances.iter().map(|instance| instance.address).collect();
    let load = Load {
        streams: tenth(76_000),
        rooms: tenth(1_000),
        warm_up: Duration::from_secs(3),
        time: Duration::from_secs(20),
        ..Load::at(EVENTS_PER_SEC)
    };
    println!(
        "\n{INSTANCES} instances on one Redis, {} streams in {} rooms, {EVENTS_PER_SEC} events a second:",
        load.streams, load.rooms
    );
    let mut target = Target::new(Kind::Lists, &addresses, load.rooms, load.people);
    target.fill();
    let (mut readers, kib_per_stream) = fan_out::open(&load, &target, &instances);
    let redis_before = redis.cpu();
    let outcome = fan_out::publish_to(&load, &mut target, &instances, &mut readers, 1);
    let outcome = fan_out::Outcome { kib_per_stream, ..outcome };
    println!(
        "  {outcome}; {:.2} processors, Redis {:.2}",
        outcome.cpu.as_secs_f64() / outcome.took.as_secs_f64(),
        (redis.cpu() - redis_before).as_secs_f64() / outcome.took.as_secs_f64(),
    );
    restart_all(&load, &mut target, &mut instances, &mut readers);
    compare_lists(&load, &addresses, &mut readers);
}

fn start(bind: &str) -> Measured {
    let url = format!("redis://127.0.0.1:{PORT}");
    let instance = Measured::service_with(&[("REDIS_URL", &url), ("LKP__HTTP__BIND", bind)]);
    until_ready(instance.address);
    instance
}

/// Restarts one after the other, while events go on.
fn restart_all(
    load: &Load,
    target: &mut Target,
    instances: &mut [Measured],
    readers: &mut Readers,
) {
    let schedule = Schedule::new(2, load.rooms, EVENTS_PER_SEC, Duration::ZERO, MAX_RESTARTS);
    let events = target.events(&schedule);
    let schedule = schedule.soon();
    readers.schedule(schedule);
    let is_over = AtomicBool::new(false);
    let addresses = target.addresses.clone();
    let repeated = thread::scope(|scope| {
        let publishing = scope.spawn(|| publish_until(&is_over, &addresses, &schedule, &events));
        for which in 0..instances.len() {
            restart(load, which, instances, readers);
        }
        is_over.store(true, Ordering::Relaxed);
        publishing.join().expect("all are published")
    });
    println!("  {repeated} webhooks were sent again");
}

fn restart(load: &Load, which: usize, instances: &mut [Measured], readers: &mut Readers) {
    let address = instances[which].address;
    let before = readers.status();
    let started = Instant::now();
    instances[which].terminate();
    let mut watch = Watch::new(instances, readers);
    while !instances[which].has_ended() {
        watch.look(instances, readers);
    }
    let ended = started.elapsed();
    instances[which] = start(&address.to_string());
    let ready = started.elapsed();
    let mut after = readers.status();
    while after.listed < load.streams as u64 && started.elapsed() < PATIENCE {
        watch.look(instances, readers);
        after = readers.status();
    }
    let back = started.elapsed();
    println!(
        "  restart of {}: drained after {:.1} s, ready after {:.1}, all {} streams back after {:.1} s (goal: {} s, {}); {} ended and {} attempts were refused; at least {} open, at most {:.2} processors of the instances, {:.2} of the readers",
        which + 1,
        ended.as_secs_f64(),
        ready.as_secs_f64(),
        after.listed,
        back.as_secs_f64(),
        GOAL.as_secs(),
        if back <= GOAL && after.listed == load.streams as u64 { "met" } else { "missed" },
        after.ended - before.ended,
        after.refused - before.refused,
        watch.fewest_open,
        watch.most_cpu,
        watch.most_cpu_of_readers,
    );
}

/// The most and the fewest that were seen.
struct Watch {
    fewest_open: u64,
    most_cpu: f64,
    most_cpu_of_readers: f64,
    last: (Instant, Vec<Duration>, Duration),
}

impl Watch {
    fn new(instances: &[Measured], readers: &Readers) -> Self {
        Self {
            fewest_open: u64::MAX,
            most_cpu: 0.0,
            most_cpu_of_readers: 0.0,
            last: (Instant::now(), instances.iter().map(Measured::cpu).collect(), readers.cpu()),
        }
    }

    fn look(&mut self, instances: &[Measured], readers: &mut Readers) {
        thread::sleep(LOOK);
        let now = (
            Instant::now(),
            instances.iter().map(Measured::cpu).collect::<Vec<_>>(),
            readers.cpu(),
        );
        let time = (now.0 - self.last.0).as_secs_f64();
        // One that has ended, or begun anew, has spent less than before.
        let spent = now.1.iter().zip(&self.last.1).map(|(now, last)| now.saturating_sub(*last));
        self.most_cpu = self.most_cpu.max(spent.sum::<Duration>().as_secs_f64() / time);
        let of_readers = now.2.saturating_sub(self.last.2).as_secs_f64() / time;
        self.most_cpu_of_readers = self.most_cpu_of_readers.max(of_readers);
        self.fewest_open = self.fewest_open.min(readers.status().open);
        self.last = now;
    }
}

/// Each reader's last list is the room's, within seconds of the last event.
fn compare_lists(load: &Load, addresses: &[SocketAddr], readers: &mut Readers) {
    let started = Instant::now();
    let mut wrong = differing(load, addresses, readers);
    while !wrong.is_empty() && started.elapsed() < CONVERGING {
        thread::sleep(LOOK);
        wrong = differing(load, addresses, readers);
    }
    let count: u64 = wrong.iter().map(|(_, _, count)| count).sum();
    println!(
        "  {} of {} readers have the list that their room has, after {:.1} s; {count} have another",
        load.streams as u64 - count,
        load.streams,
        started.elapsed().as_secs_f64(),
    );
    for (room, checksum, count) in wrong {
        let what = if checksum == 0 { "are not open, or have none" } else { "have another list" };
        println!("    room-{room}: {count} {what}");
    }
}

/// Rooms, checksums of lists that are not theirs, and how many readers have these.
fn differing(
    load: &Load,
    addresses: &[SocketAddr],
    readers: &mut Readers,
) -> Vec<(usize, u32, u64)> {
    let rooms: Vec<u32> = (0..load.rooms)
        .map(|room| {
            let path = format!("/api/livekit/participants?room=room-{room}");
            crc32fast::hash(&get(addresses[room % addresses.len()], &path))
        })
        .collect();
    let lists = readers.lists().into_iter();
    let lists = lists.filter(|((room, checksum), _)| *checksum != rooms[*room]);
    lists.map(|((room, checksum), count)| (room, checksum, count)).collect()
}
