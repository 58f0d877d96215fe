//! The list of rooms, live, of many rooms: how long the first snapshot takes, and a change.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use super::{
    load,
    process::Measured,
    report::median,
    shared::{PORT, until_ready},
};

const LISTED_ROOMS: usize = 10_000;
const PEOPLE: usize = 5;
const CHANGES: usize = 200;

pub fn measure() {
    println!("\nlist of {LISTED_ROOMS} rooms with {} people, live:", LISTED_ROOMS * PEOPLE);
    of("in memory", &Measured::service());
    let Some(_redis) = Measured::redis(PORT) else {
        println!("  redis-server is not installed: nothing measured with it");
        return;
    };
    let service = Measured::service_with(&[("REDIS_URL", &format!("redis://127.0.0.1:{PORT}"))]);
    until_ready(service.address);
    of("in Redis", &service);
}

fn of(place: &str, service: &Measured) {
    load::flood(&load::join_requests_of(0..LISTED_ROOMS, PEOPLE), &[service.address]);
    let mut first = Stream::open(service.address);
    let cold = first.until("event: rooms:snapshot");
    let hot: Vec<f64> = (0..20)
        .map(|_| millis(Stream::open(service.address).until("event: rooms:snapshot")))
        .collect();
    println!(
        "  {place}: first snapshot after {:.1} ms (goal: under 200), of {} KiB; the next streams' after {:.1} ms",
        millis(cold),
        first.received / 1024,
        median(hot.into_iter()),
    );
    let before = service.cpu();
    let posts = load::track_requests_of(0..CHANGES, CHANGES);
    let waits = posts.iter().map(|post| {
        first.opened = Instant::now();
        load::flood(std::slice::from_ref(post), &[service.address]);
        millis(first.until("event: rooms:delta"))
    });
    let wait = median(waits);
    let micros = (service.cpu() - before).as_secs_f64() * 1e6 / CHANGES as f64;
    println!(
        "  {place}: webhook to delta {wait:.2} ms, {micros:.0} µs of CPU with the webhook's own"
    );
}

/// A stream of all rooms.
struct Stream {
    socket: TcpStream,
    opened: Instant,
    received: usize,
}

impl Stream {
    fn open(address: SocketAddr) -> Self {
        let opened = Instant::now();
        let mut socket = TcpStream::connect(address).expect("the service");
        let request = "GET /api/livekit/rooms/stream?all=true HTTP/1.1\r\nHost: bench\r\n\r\n";
        socket.write_all(request.as_bytes()).expect("the service");
        Self { socket, opened, received: 0 }
    }

    /// Reads to the end of an event of this kind. Returns how long that took.
    fn until(&mut self, kind: &str) -> Duration {
        let mut text = Vec::new();
        let mut scratch = vec![0; 256 * 1024];
        let begins = |text: &[u8]| text.windows(kind.len()).any(|some| some == kind.as_bytes());
        let mut has_begun = false;
        while !has_begun || !text.ends_with(b"\n\n\r\n") {
            let count = self.socket.read(&mut scratch).expect("the service");
            assert!(count > 0, "the stream has ended");
            self.received += count;
            text.extend_from_slice(&scratch[..count]);
            has_begun = has_begun || begins(&text);
        }
        self.opened.elapsed()
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
