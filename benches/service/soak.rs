//! Hours of webhooks with readers that come and go: whether memory, descriptors and latency stay what they are.
//!
//! `cargo bench --bench service -- soak 120` runs for two hours; a program's path after it measures another build. The service
//! has its default settings, but for the limits of one address. What is sent is signed as it is sent, and every life of a room
//! has people, tracks and ids that were never heard of before, so that whatever remembers them shows.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use livekit_presence::clock::Clock;
use mio::{Events, Interest, Poll, Token};

use super::{
    histogram::Histogram,
    load::{self, Signer},
    process::Measured,
    target::Kind,
};

const LIST: &str = "/api/livekit/participants";
const ROOMS: usize = 100;
/// Of all rooms together.
const EVENTS_PER_SEC: u32 = 1_000;
const POSTERS: usize = 4;
const PEOPLE: usize = 20;
/// Readers at any time.
const READERS: usize = 500;
/// Of the readers, this many leave and come each second.
const COMING_PER_SEC: u32 = 20;
/// Streams of the room in which latency is measured, and how long it rests between two changes.
const WATCHERS: usize = 4;
const BETWEEN_PROBES: Duration = Duration::from_millis(100);
const QUARTER: Duration = Duration::from_mins(15);
/// Events that are this late are not made up for.
const TOO_LATE: Duration = Duration::from_secs(2);
const MINUTE: Duration = Duration::from_mins(1);

/// What the load has done, told each minute.
#[derive(Default)]
struct Done {
    is_over: AtomicBool,
    posted: AtomicU64,
    came: AtomicU64,
    /// Of the quarter of an hour that runs.
    latencies: Mutex<Histogram>,
}

impl Done {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

/// Runs for this many minutes.
pub fn measure(minutes: u64, program: Option<&str>) {
    let settings = [("LKP__STREAM__HEARTBEAT", "15s"), ("LKP__STREAM__MAX_AGE", "1h")];
    let program = program.unwrap_or(env!("CARGO_BIN_EXE_livekit-presence"));
    let service = Measured::program_with(program, &settings);
    let address = service.address;
    let done = Done::default();
    println!(
        "{ROOMS} rooms of {PEOPLE}, {EVENTS_PER_SEC} events a second, {READERS} readers of whom {COMING_PER_SEC} a second are new"
    );
    thread::scope(|scope| {
        for poster in 0..POSTERS {
            let done = &done;
            scope.spawn(move || post(address, poster, done));
        }
        scope.spawn(|| read(address, &done));
        scope.spawn(|| probe(address, &done));
        report(&service, &done, Duration::from_secs(minutes * 60));
        done.is_over.store(true, Ordering::Relaxed);
    });
}

/// A connection that is made anew after a pause, in which the service may have closed it.
struct Posts {
    address: SocketAddr,
    socket: TcpStream,
    used_at: Instant,
}

impl Posts {
    fn to(address: SocketAddr) -> Self {
        Self { address, socket: load::connect(address), used_at: Instant::now() }
    }

    fn send(&mut self, request: &[u8]) {
        if self.used_at.elapsed() > TOO_LATE {
            self.socket = load::connect(self.address);
        }
        load::ask(&mut self.socket, request);
        self.used_at = Instant::now();
    }
}

/// Each of its rooms fills, changes, empties and starts anew.
fn post(address: SocketAddr, poster: usize, done: &Done) {
    let signer = Signer::new();
    let mut posts = Posts::to(address);
    let rooms: Vec<_> = (poster..ROOMS).step_by(POSTERS).collect();
    let between = Duration::from_secs(1) * u32::try_from(POSTERS).expect("few") / EVENTS_PER_SEC;
    let mut due = Instant::now();
    for index in 0.. {
        if done.is_over() {
            return;
        }
        let room = rooms[index % rooms.len()];
        let request = signer.sign(nth_of_life(room, index / rooms.len()));
        due += between;
        match due.checked_duration_since(Instant::now()) {
            Some(early) => thread::sleep(early),
            // This program was stopped for a while, and must not flood the service.
            None if due.elapsed() > TOO_LATE => due = Instant::now(),
            None => {}
        }
        posts.send(&request);
        done.posted.fetch_add(1, Ordering::Relaxed);
    }
}

/// A life of a room: it starts, people come, publish and go one after the other while others come, and it ends.
fn nth_of_life(room: usize, at: usize) -> serde_json::Value {
    const EVENTS: usize = 600;
    let (life, at) = (at / EVENTS, at % EVENTS);
    let person = |number: usize| {
        let mut person = load::person_in(room, number);
        person["sid"] = format!("PA_{room}_{life}_{number}").into();
        person["identity"] = format!("person-{life}-{number}").into();
        person["joinedAtMs"] = (Clock::system().now().as_secs() * 1_000).to_string().into();
        person
    };
    let about = |name: &str| load::event_in_life(name, room, life);
    let with = |name: &str, number: usize| {
        let mut body = about(name);
        body["participant"] = person(number);
        body
    };
    match at {
        0 => about("room_started"),
        _ if at == EVENTS - 1 => about("room_finished"),
        _ if at <= PEOPLE => with("participant_joined", at - 1),
        _ => {
            let (number, step) = ((at - PEOPLE - 1) / 4, (at - PEOPLE - 1) % 4);
            match step {
                0 => with("participant_left", number),
                1 => with("participant_joined", number + PEOPLE),
                _ => {
                    let name = if step == 2 { "track_published" } else { "track_unpublished" };
                    let mut body = with(name, number + PEOPLE);
                    let track = format!("TR_{room}_{life}_{number}");
                    body["track"] =
                        serde_json::json!({"sid": track, "type": "AUDIO", "source": "MICROPHONE"});
                    body
                }
            }
        }
    }
}

/// Readers that come, read and go: closed with and without what they have not read, or left in the middle of their request.
fn read(address: SocketAddr, done: &Done) {
    let mut poll = Poll::new().expect("a poll");
    let mut events = Events::with_capacity(1024);
    let mut scratch = vec![0; 64 * 1024];
    let open = |poll: &Poll, index: usize| {
        let mut socket = TcpStream::connect(address).expect("the service");
        let room = fastrand::usize(..ROOMS);
        socket.write_all(&Kind::Lists.subscribe(room)).expect("the service");
        socket.set_nonblocking(true).expect("a socket");
        let mut socket = mio::net::TcpStream::from_std(socket);
        let interest = Interest::READABLE;
        poll.registry().register(&mut socket, Token(index), interest).expect("a descriptor");
        socket
    };
    let mut readers: Vec<_> = (0..READERS).map(|index| open(&poll, index)).collect();
    let mut next = Instant::now();
    while !done.is_over() {
        poll.poll(&mut events, Some(Duration::from_millis(20))).expect("a poll");
        for event in &events {
            let index = event.token().0;
            loop {
                match readers[index].read(&mut scratch) {
                    Ok(0) => {
                        readers[index] = open(&poll, index);
                        break;
                    }
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("a stream failed: {error}"),
                }
            }
        }
        while next <= Instant::now() {
            next += Duration::from_secs(1) / COMING_PER_SEC;
            come_and_go(address, fastrand::u8(..3));
            let index = fastrand::usize(..READERS);
            readers[index] = open(&poll, index);
            done.came.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Somebody who asks and is gone before the answer, who asks for the list, or who asks for half of something.
fn come_and_go(address: SocketAddr, how: u8) {
    let mut socket = TcpStream::connect(address).expect("the service");
    let room = fastrand::usize(..ROOMS);
    let request = match how {
        0 => Kind::Lists.subscribe(room),
        1 => format!("GET {LIST}?room=room-{room} HTTP/1.1\r\nHost: bench\r\n\r\n").into_bytes(),
        _ => format!("GET {LIST}?room=room-{room} HTTP/1.1\r\nHo").into_bytes(),
    };
    socket.write_all(&request).expect("the service");
}

/// Changes a room that has a few streams, and counts how long each took to be told.
fn probe(address: SocketAddr, done: &Done) {
    let signer = Signer::new();
    let mut posts = Posts::to(address);
    let room = ROOMS;
    posts.send(&signer.sign(nth_of_life(room, 0)));
    let mut streams: Vec<_> = Vec::new();
    for at in 1_usize.. {
        thread::sleep(BETWEEN_PROBES);
        if done.is_over() {
            return;
        }
        // Streams end at their greatest age.
        if at % 6_000 == 1 {
            streams = (0..WATCHERS).map(|_| open(address, room)).collect();
        }
        let mut body = load::event_in_life("participant_joined", room, 0);
        let identity = format!("probe-{at}");
        body["participant"] = load::person_in(room, 0);
        body["participant"]["sid"] = format!("PA_probe_{at}").into();
        body["participant"]["identity"] = identity.clone().into();
        let request = signer.sign(&body);
        let sent = Instant::now();
        posts.send(&request);
        for stream in &mut streams {
            read_until_told(stream, &identity);
            let nanos = u64::try_from(sent.elapsed().as_nanos()).expect("short");
            done.latencies.lock().expect("nobody panics").add(nanos);
        }
        body["event"] = "participant_left".into();
        body["id"] = load::new_id().into();
        posts.send(&signer.sign(&body));
        for stream in &mut streams {
            read_until_told_no_more(stream, &identity);
        }
    }
}

/// One stream, after its first list.
fn open(address: SocketAddr, room: usize) -> TcpStream {
    let mut socket = TcpStream::connect(address).expect("the service");
    socket.write_all(&Kind::Lists.subscribe(room)).expect("the service");
    read_event(&mut socket);
    socket
}

/// Reads until a list names somebody.
fn read_until_told(socket: &mut TcpStream, identity: &str) {
    while !names(&read_event(socket), identity) {}
}

/// Reads until a list does not name somebody.
fn read_until_told_no_more(socket: &mut TcpStream, identity: &str) {
    loop {
        let event = read_event(socket);
        if names(&event, "participants") && !names(&event, identity) {
            return;
        }
    }
}

/// What comes up to the end of an event.
fn read_event(socket: &mut TcpStream) -> Vec<u8> {
    let mut received = Vec::new();
    let mut scratch = [0; 16 * 1024];
    while !received.ends_with(b"\n\n\r\n") {
        let count = socket.read(&mut scratch).expect("a stream");
        assert!(count > 0, "a stream ended: {}", String::from_utf8_lossy(&received));
        received.extend_from_slice(&scratch[..count]);
    }
    received
}

fn names(event: &[u8], text: &str) -> bool {
    event.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Says each minute what the process holds, each quarter of an hour how late changes came, and at the end how memory went.
fn report(service: &Measured, done: &Done, length: Duration) {
    let start = Instant::now();
    let mut memory = Vec::new();
    let mut quarter_ends = QUARTER;
    let mut cpu = service.cpu();
    for minute in 1_u32.. {
        thread::sleep((start + MINUTE * minute).saturating_duration_since(Instant::now()));
        let passed = start.elapsed();
        let cpu_then = std::mem::replace(&mut cpu, service.cpu());
        let kib = service.proportional_kib();
        memory.push((passed.as_secs_f64() / 3_600.0, kib as f64));
        let (descriptors, threads) = service.descriptors_and_threads();
        println!(
            "minute {minute}: {kib} KiB, {descriptors} descriptors, {threads} threads, {:.2} cores; {} posted, {} came",
            (cpu - cpu_then).as_secs_f64() / MINUTE.as_secs_f64(),
            done.posted.load(Ordering::Relaxed),
            done.came.load(Ordering::Relaxed),
        );
        if passed >= quarter_ends.min(length) {
            quarter_ends += QUARTER;
            let latencies = std::mem::take(&mut *done.latencies.lock().expect("nobody panics"));
            println!(
                "  webhook to reader: p50 {:.2} ms, p99 {:.2} ms, greatest {:.2} ms, of {}",
                latencies.millis(500),
                latencies.millis(990),
                latencies.millis(1_000),
                latencies.count()
            );
        }
        if passed >= length {
            break;
        }
    }
    // At first fills what is kept up to a bound.
    let later: Vec<_> = memory.iter().copied().skip(memory.len() / 8).collect();
    println!("memory after the first eighth: {:+.0} KiB an hour", slope(&later));
}

/// By least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let above: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let below: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    above / below
}
