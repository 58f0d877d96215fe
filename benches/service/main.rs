//! What the service costs, beside a bare loop that writes the same bytes to as many sockets, in one run.
//!
//! `cargo bench`, or `make bench`; `cargo bench --bench service room-list` for the list of rooms alone, `history` for the history, `kept` for what is read from LiveKit's own Redis, and `unseen` for what no webhook tells, which `cargo bench` alone does not measure, because it takes twenty minutes. Figures of one machine mean little; the ratios are what counts. Subscriber and service share
//! the machine's processors, so latencies are those of a busy one.

mod bare_loop;
mod feed;
mod history;
mod kept;
mod load;
mod process;
mod report;
mod room_list;
mod shared;
mod subscribers;
mod unseen;

use std::{net::SocketAddr, thread, time::Duration};

use load::Posts;
use process::Measured;
use report::{Figures, median, ratio};
use subscribers::Subscribers;

pub const ROOMS: usize = 200;
pub const SUBSCRIBERS_PER_ROOM: usize = 50;
const PEOPLE_PER_ROOM: usize = 5;
const STREAMS: usize = ROOMS * SUBSCRIBERS_PER_ROOM;
/// How many rounds service and bare loops are measured in turn.
const ROUNDS: usize = 3;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "bare-loop") {
        let numbers = arguments[at + 1..].iter();
        let numbers: Vec<usize> = numbers.map(|one| one.parse().expect("a number")).collect();
        let [threads, rooms, subscribers_per_room] = numbers[..] else { panic!("three numbers") };
        return bare_loop::run(bare_loop::Size { threads, rooms, subscribers_per_room });
    }
    let threads = thread::available_parallelism().map_or(1, usize::from);
    if measures_one_thing(&arguments, threads) {
        return;
    }
    println!(
        "{STREAMS} streams in {ROOMS} rooms of {PEOPLE_PER_ROOM} people; {threads} processors\n"
    );
    idle_memory();
    let mut rounds = Vec::new();
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        let (service, frame_bytes) = fan_out_of_service();
        let bare = fan_out_of_bare_loop(threads, frame_bytes);
        let bare_single = fan_out_of_bare_loop(1, frame_bytes);
        rounds.push((service, bare, bare_single));
    }
    report_fan_out(&rounds, threads);
    throughput();
    feed::measure(threads);
    shared::on_redis();
    room_list::measure();
    kept::measure(None);
}

/// Measures what the arguments name. Returns whether they do.
fn measures_one_thing(arguments: &[String], threads: usize) -> bool {
    let Some(at) = arguments.iter().skip(1).position(|argument| !argument.starts_with('-')) else {
        return false;
    };
    let number = arguments.get(at + 2).and_then(|number| number.parse().ok());
    match &*arguments[at + 1] {
        "room-list" => room_list::measure(),
        "history" => history::measure(),
        "unseen" => unseen::measure(number),
        "kept" => kept::measure(number),
        "feed" => feed::measure(threads),
        _ => return false,
    }
    true
}

/// Memory of streams on which nothing happens.
fn idle_memory() {
    let service = Measured::service();
    fill_rooms(service.address);
    let before = service.resident_kib();
    let subscribers = Subscribers::of_service(service.address);
    let after = service.resident_kib();
    let per_stream = (after.saturating_sub(before)) as f64 / STREAMS as f64;
    println!(
        "idle: {before} KiB before, {after} KiB with {STREAMS} streams: {per_stream:.3} KiB per stream (goal: under 0.5)\n"
    );
    drop(subscribers);
}

/// One room after the other changes; every subscriber gets each change of its room.
fn fan_out_of_service() -> (Figures, usize) {
    let service = Measured::service();
    fill_rooms(service.address);
    // The same webhooks without a subscriber: what they cost by themselves.
    let posts = Posts::tracks(&[service.address]);
    let before = service.cpu();
    posts.run(|_| {});
    let webhooks_cpu = service.cpu() - before;

    let mut subscribers = Subscribers::of_service(service.address);
    let posts = Posts::tracks(&[service.address]);
    let before = service.cpu();
    let latencies = subscribers.measure(|triggers| posts.run(|room| triggers.pull(room)));
    let cpu = service.cpu() - before;
    (Figures::new(cpu, Some(webhooks_cpu), latencies), subscribers.last_frame_bytes())
}

fn fan_out_of_bare_loop(threads: usize, frame_bytes: usize) -> Figures {
    let size =
        bare_loop::Size { threads, rooms: ROOMS, subscribers_per_room: SUBSCRIBERS_PER_ROOM };
    let bare = Measured::bare_loop(size);
    let mut subscribers = Subscribers::of_bare_loop(bare.address);
    let mut controls = bare_loop::Controls::connect(bare.address, threads, frame_bytes);
    let before = bare.cpu();
    let latencies = subscribers.measure(|triggers| {
        load::paced(|room| {
            triggers.pull(room);
            controls.write_to_room(room);
        });
    });
    Figures::new(bare.cpu() - before, None, latencies)
}

type Row = (&'static str, fn(&Figures) -> f64);

fn report_fan_out(rounds: &[(Figures, Figures, Figures)], threads: usize) {
    let of = |figure: fn(&Figures) -> f64| {
        let pick = |which: fn(&(Figures, Figures, Figures)) -> &Figures| {
            median(rounds.iter().map(|round| figure(which(round))))
        };
        (pick(|round| &round.0), pick(|round| &round.1), pick(|round| &round.2))
    };
    println!(
        "fan-out, median of {} rounds: service | bare loop, {threads} threads | bare loop, 1 thread",
        rounds.len()
    );
    let rows: [Row; 5] = [
        ("CPU µs per delivery, everything", |figures| figures.cpu_micros()),
        ("CPU µs per delivery, webhooks' own apart", |figures| figures.delivery_cpu_micros()),
        ("p50 ms", |figures| figures.percentile_millis(0.50)),
        ("p99 ms", |figures| figures.percentile_millis(0.99)),
        ("deliveries", |figures| figures.deliveries() as f64),
    ];
    for (name, figure) in rows {
        let (service, bare, single) = of(figure);
        println!("  {name:<42} {service:>9.2} {bare:>9.2} {single:>9.2}");
    }
    let paired = |figure: fn(&Figures, &Figures, &Figures) -> f64| {
        median(rounds.iter().map(|(service, bare, single)| figure(service, bare, single)))
    };
    ratio(
        "delivery's CPU over the bare loop's",
        1.15,
        paired(|service, bare, _| service.delivery_cpu_micros() / bare.cpu_micros()),
    );
    ratio(
        "all CPU over the one-threaded bare loop's",
        1.5,
        paired(|service, _, single| service.cpu_micros() / single.cpu_micros()),
    );
    ratio(
        "p99 over the bare loop's",
        1.3,
        paired(|service, bare, _| service.percentile_millis(0.99) / bare.percentile_millis(0.99)),
    );
    println!();
}

/// As many as go through, from a few connections that never pause.
fn throughput() {
    let service = Measured::service();
    fill_rooms(service.address);
    let report = |what: &str, per_sec: f64, cpu: Duration, count: usize| {
        let micros = cpu.as_secs_f64() * 1e6 / count as f64;
        println!("{what}: {per_sec:.0} a second, {micros:.1} µs of CPU each");
    };
    let before = service.cpu();
    let (count, per_sec) = load::flood(&load::track_requests(20_000), &[service.address]);
    report("webhooks", per_sec, service.cpu() - before, count);

    let get =
        [b"GET /api/livekit/participants?room=room-7 HTTP/1.1\r\nHost: bench\r\n\r\n".to_vec()];
    let before = service.cpu();
    let (count, per_sec) = load::flood_again(&get, 40_000, service.address);
    report("GETs of a cold room", per_sec, service.cpu() - before, count);

    let _subscriber = subscribers::open_one(service.address, 7);
    let before = service.cpu();
    let (count, per_sec) = load::flood_again(&get, 40_000, service.address);
    report("GETs of a hot room", per_sec, service.cpu() - before, count);
}

pub fn fill_rooms(address: SocketAddr) {
    load::flood(&load::join_requests(PEOPLE_PER_ROOM), &[address]);
}
