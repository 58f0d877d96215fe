//! The feed of all events with many subscribers, beside a bare loop that writes frames of the same size as often.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token};

use super::{bare_loop, fill_rooms, load, process::Measured};

const SUBSCRIBERS: usize = 1_000;
const EVENTS: usize = 10_000;
const EVENTS_PER_SEC: u32 = 1_000;
/// Nothing takes longer here, unless something was lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// What all subscribers together have read.
#[derive(Clone, Copy, Default)]
struct Tally {
    bytes: usize,
    line_feeds: usize,
    carriage_returns: usize,
}

pub fn measure(threads: usize) {
    let service = Measured::service();
    fill_rooms(service.address);
    // The same webhooks without a subscriber: what they cost by themselves.
    let requests = load::track_requests(EVENTS);
    let before = service.cpu();
    load::steadily(&requests, EVENTS_PER_SEC, service.address);
    let webhooks_cpu = service.cpu() - before;

    let mut readers = Readers::of(|_| open_feed(service.address));
    let requests = load::track_requests(EVENTS);
    let before = (service.cpu(), Instant::now());
    let address = service.address;
    let posting = thread::spawn(move || load::steadily(&requests, EVENTS_PER_SEC, address));
    let read = readers.read_until(|read| read.events() >= EVENTS * SUBSCRIBERS);
    let (cpu, took) = (service.cpu() - before.0, before.1.elapsed());
    posting.join().expect("all are posted");
    readers.each_has(EVENTS);
    let (frames, bytes) = (read.frames(), read.bytes / read.frames());
    drop(readers);
    let bare = bare_cpu(threads, frames / SUBSCRIBERS, bytes, took);
    let micros = |cpu: Duration| cpu.as_secs_f64() * 1e6 / frames as f64;
    let delivery = cpu.saturating_sub(webhooks_cpu);
    println!(
        "\nfeed: {SUBSCRIBERS} subscribers, {EVENTS} events at {EVENTS_PER_SEC} a second, in {:.1} s: {} delivered, none lost or twice",
        took.as_secs_f64(),
        read.events(),
    );
    println!(
        "  {frames} frames of {bytes} bytes; CPU µs a frame: {:.2}, webhooks' own apart {:.2}, bare loop {:.2} (ratio {:.2}); µs an event delivered: {:.3}",
        micros(cpu),
        micros(delivery),
        micros(bare),
        delivery.as_secs_f64() / bare.as_secs_f64(),
        delivery.as_secs_f64() * 1e6 / read.events() as f64,
    );
}

/// What a bare loop takes to write as many frames of that size, at the same pace.
fn bare_cpu(threads: usize, frames: usize, frame_bytes: usize, took: Duration) -> Duration {
    let bare = Measured::bare_loop(threads);
    let mut readers = Readers::of(|_| bare_loop::open(bare.address, 0));
    let requests = vec![bare_loop::publish(0, &vec![b'x'; frame_bytes]); frames];
    let before = bare.cpu();
    let per_sec =
        u32::try_from(frames).expect("few") / u32::try_from(took.as_secs()).expect("few").max(1);
    let address = bare.address;
    let posting = thread::spawn(move || load::steadily(&requests, per_sec, address));
    readers.read_until(|read| read.bytes >= frames * frame_bytes * SUBSCRIBERS);
    let cpu = bare.cpu() - before;
    posting.join().expect("all are written");
    cpu
}

fn open_feed(address: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(address).expect("the service");
    let request = "GET /api/events HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n\r\n";
    socket.write_all(request.as_bytes()).expect("the service");
    let mut received = Vec::new();
    let mut scratch = [0; 16 * 1024];
    while !received.windows(9).any(|bytes| bytes == b"connected")
        || !received.ends_with(b"\n\n\r\n")
    {
        let count = socket.read(&mut scratch).expect("a feed");
        assert!(count > 0, "a feed ended: {}", String::from_utf8_lossy(&received));
        received.extend_from_slice(&scratch[..count]);
    }
    socket
}

/// Sockets on one poll, which are read and counted.
struct Readers {
    sockets: Vec<(mio::net::TcpStream, Tally)>,
    poll: Poll,
}

impl Readers {
    fn of(open: impl Fn(usize) -> TcpStream) -> Self {
        let poll = Poll::new().expect("a poll");
        let sockets = (0..SUBSCRIBERS).map(|index| {
            let socket = open(index);
            socket.set_nonblocking(true).expect("a socket");
            let mut socket = mio::net::TcpStream::from_std(socket);
            poll.registry()
                .register(&mut socket, Token(index), Interest::READABLE)
                .expect("a descriptor");
            (socket, Tally::default())
        });
        Self { sockets: sockets.collect(), poll }
    }

    fn read_until(&mut self, is_all: impl Fn(&Tally) -> bool) -> Tally {
        let mut all = Tally::default();
        let mut events = Events::with_capacity(1024);
        let mut scratch = vec![0; 256 * 1024];
        let mut last = Instant::now();
        while !is_all(&all) {
            self.poll.poll(&mut events, Some(Duration::from_millis(100))).expect("a poll");
            for event in &events {
                let (socket, read) = &mut self.sockets[event.token().0];
                loop {
                    match socket.read(&mut scratch) {
                        Ok(0) => panic!("a feed ended"),
                        Ok(count) => {
                            let more = Tally::of(&scratch[..count]);
                            read.add(more);
                            all.add(more);
                            last = Instant::now();
                        }
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(error) => panic!("a feed failed: {error}"),
                    }
                }
            }
            assert!(last.elapsed() < PATIENCE, "{} events came", all.events());
        }
        all
    }

    fn each_has(&self, events: usize) {
        for (_, read) in &self.sockets {
            assert_eq!(read.events(), events, "a subscriber lost something, or got it twice");
        }
    }
}

impl Tally {
    fn of(bytes: &[u8]) -> Self {
        let count = |wanted: u8| bytes.split(|byte| *byte == wanted).count() - 1;
        Self { bytes: bytes.len(), line_feeds: count(b'\n'), carriage_returns: count(b'\r') }
    }

    fn add(&mut self, more: Self) {
        self.bytes += more.bytes;
        self.line_feeds += more.line_feeds;
        self.carriage_returns += more.carriage_returns;
    }

    /// Each event has three line ends, each chunk two more, before which are carriage returns.
    fn events(&self) -> usize {
        self.line_feeds.saturating_sub(self.carriage_returns) / 3
    }

    fn frames(&self) -> usize {
        (self.carriage_returns / 2).max(1)
    }
}
