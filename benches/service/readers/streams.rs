//! The streams of one thread: opens them, reads them, and opens those again that end, by the rules of the package for browsers.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    time::Duration,
};

use memchr::memmem;
use mio::{Interest, Poll, Registry, Token};
use socket2::{Domain, Socket, Type};

use super::{
    Spec, Status,
    stream::{Refused, Seen, Stream},
};
use crate::{
    histogram::Histogram,
    schedule::{Schedule, now},
    target::{Kind, MARKER},
};

const MILLIS: u64 = 1_000_000;
/// Connections that are being opened at a time.
const MAX_OPENING: usize = 128;
/// Nothing happens for this long at most before orders are looked at.
const MAX_WAIT: Duration = Duration::from_millis(50);
const MIN_BACKOFF: u64 = 1_000;
const MAX_BACKOFF: u64 = 30_000;

pub struct Streams {
    kind: Kind,
    addresses: Vec<SocketAddr>,
    /// The first of the addresses that connections come from.
    source: u8,
    streams: Vec<Stream>,
    /// When which stream is opened next.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    opening: usize,
    /// Connections of this thread, at each of the servers.
    connections: Vec<usize>,
    schedule: Schedule,
    status: Status,
    latencies: Histogram,
    registry: Registry,
}

impl Streams {
    pub fn new(spec: &Spec, numbers: impl Iterator<Item = usize>) -> (Self, Poll) {
        let poll = Poll::new().expect("a poll");
        let registry = poll.registry().try_clone().expect("a poll");
        let of = |number: usize| {
            Stream::new(number % spec.rooms, number / spec.rooms % spec.addresses.len())
        };
        let streams: Vec<_> = numbers.map(of).collect();
        let between = 1_000_000_000 / u64::from(spec.per_sec) * spec.threads as u64;
        let due = (0..streams.len()).map(|index| Reverse((now() + between * index as u64, index)));
        let due = due.collect();
        let streams = Self {
            kind: spec.kind,
            addresses: spec.addresses.clone(),
            source: u8::try_from(2 + spec.first).expect("few processes"),
            streams,
            due,
            opening: 0,
            connections: vec![0; spec.addresses.len()],
            schedule: Schedule::default(),
            status: Status::default(),
            latencies: Histogram::default(),
            registry,
        };
        (streams, poll)
    }

    /// Counts the events of another schedule from now on.
    pub fn follow(&mut self, schedule: Schedule) {
        self.schedule = schedule;
        self.latencies = Histogram::default();
        self.status.covered = 0;
        self.streams.iter_mut().for_each(|stream| stream.newest = 0);
    }

    pub fn status(&self) -> Status {
        let listed = |stream: &&Stream| stream.has_head && stream.checksum.is_some();
        let listed = self.streams.iter().filter(listed).count() as u64;
        Status { listed, ..self.status }
    }

    pub fn latencies(&self) -> &Histogram {
        &self.latencies
    }

    /// The room of each stream, and the checksum of its last list: 0 where it has none or is not open.
    pub fn lists(&self) -> impl Iterator<Item = (usize, u32)> {
        let checksum = |stream: &Stream| stream.checksum.filter(|_| stream.has_head).unwrap_or(0);
        self.streams.iter().map(move |stream| (stream.room, checksum(stream)))
    }

    /// Opens the streams that are due. Returns how long until the next one is.
    pub fn connect_due(&mut self) -> Duration {
        while let Some(Reverse((at, index))) = self.due.peek().copied() {
            let wait = at.saturating_sub(now());
            if wait > 0 {
                return Duration::from_nanos(wait).min(MAX_WAIT);
            }
            if self.opening >= MAX_OPENING {
                break;
            }
            self.due.pop();
            self.connect(index);
        }
        MAX_WAIT
    }

    fn connect(&mut self, index: usize) {
        let stream = &mut self.streams[index];
        let address = self.addresses[stream.place];
        self.connections[stream.place] += 1;
        let last = u8::try_from(index % 16).expect("small") + 1;
        let source = SocketAddr::from(([127, 0, self.source, last], 0));
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a descriptor");
        socket.set_nonblocking(true).expect("a socket");
        socket.bind(&source.into()).expect("an address of this machine");
        // It is not there yet; when it is, the poll says so.
        let _ = socket.connect(&address.into());
        let mut socket = mio::net::TcpStream::from_std(socket.into());
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.registry.register(&mut socket, Token(index), interest).expect("a descriptor");
        stream.socket = Some(socket);
        self.opening += 1;
    }

    /// Something has happened on the socket of a stream.
    pub fn ready(&mut self, index: usize, is_closed: bool, scratch: &mut [u8]) {
        if !self.streams[index].has_head && !self.ask(index) {
            return;
        }
        loop {
            let stream = &mut self.streams[index];
            let Some(socket) = &mut stream.socket else { return };
            match socket.read(scratch) {
                Ok(0) => return self.end(index),
                Ok(count) => {
                    self.status.bytes += count as u64;
                    self.take(index, &scratch[..count]);
                    // The end may have come together with what was read, and then the poll does not tell of it again.
                    if count < scratch.len() && !is_closed {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.end(index),
            }
        }
    }

    /// Sends the request, once the connection is there. Returns whether there is anything to read.
    fn ask(&mut self, index: usize) -> bool {
        let stream = &mut self.streams[index];
        let Some(socket) = &mut stream.socket else { return false };
        if stream.has_asked {
            return true;
        }
        let is_refused = socket.take_error().is_ok_and(|error| error.is_some());
        if !is_refused && socket.peer_addr().is_err() {
            return false;
        }
        let request = self.kind.subscribe(stream.room);
        if is_refused || socket.write_all(&request).is_err() {
            self.end(index);
            return false;
        }
        stream.has_asked = true;
        true
    }

    fn take(&mut self, index: usize, received: &[u8]) {
        let at = now();
        let stream = &mut self.streams[index];
        let follows;
        let mut received = received;
        if !stream.has_head {
            follows = match stream.take_head(received) {
                None => return,
                Some(Err(Refused)) => return self.refuse(index),
                Some(Ok(follows)) => follows,
            };
            stream.failures = 0;
            stream.refused = 0;
            self.opening -= 1;
            self.status.open += 1;
            received = &follows;
        }
        let (schedule, status, latencies) = (&self.schedule, &mut self.status, &mut self.latencies);
        self.streams[index].take_events(received, |stream, seen| match seen {
            Seen::Retry(millis) => stream.retry_millis = millis,
            Seen::Frame(data) => {
                status.frames += 1;
                status.frame_bytes += data.len() as u64;
                stream.checksum = Some(crc32fast::hash(data));
                see(stream, data, at, schedule, status, latencies);
            }
        });
    }

    /// A connection has ended, or there never was one.
    fn end(&mut self, index: usize) {
        let stream = &mut self.streams[index];
        let (was_open, had_asked) = (stream.has_head, stream.has_asked);
        self.leave(index);
        if was_open {
            self.status.open -= 1;
            self.status.ended += 1;
            self.connect_after(self.streams[index].retry_millis, index);
            return;
        }
        self.opening -= 1;
        let stream = &mut self.streams[index];
        if !had_asked {
            // A balancer tries the others at once.
            stream.refused |= 1 << stream.place;
            if stream.refused.count_ones() < u32::try_from(self.addresses.len()).expect("few") {
                return self.connect_after(0, index);
            }
        }
        self.back_off(index);
    }

    /// A server has no room for this stream.
    fn refuse(&mut self, index: usize) {
        self.status.refused += 1;
        self.opening -= 1;
        self.leave(index);
        self.back_off(index);
    }

    fn leave(&mut self, index: usize) {
        self.connections[self.streams[index].place] -= 1;
        self.streams[index].disconnect();
    }

    /// The client waits: a random time, up to one that doubles.
    fn back_off(&mut self, index: usize) {
        let stream = &mut self.streams[index];
        stream.failures += 1;
        stream.refused = 0;
        let most = (MIN_BACKOFF << stream.failures.min(16)).min(MAX_BACKOFF);
        self.connect_after(fastrand::u64(0..most), index);
    }

    /// Goes to the server with the fewest connections, as a balancer lets it, but to none that has just refused one.
    fn connect_after(&mut self, millis: u64, index: usize) {
        let stream = &mut self.streams[index];
        let servers = (0..self.addresses.len()).filter(|place| stream.refused >> place & 1 == 0);
        stream.place = servers.min_by_key(|place| self.connections[*place]).unwrap_or(0);
        self.due.push(Reverse((now() + millis * MILLIS, index)));
    }
}

/// Counts the events that a frame is the first one to show: all up to the newest, since an older one is in the same list, or over.
fn see(
    stream: &mut Stream,
    data: &[u8],
    at: u64,
    schedule: &Schedule,
    status: &mut Status,
    latencies: &mut Histogram,
) {
    let Some((run, event)) = newest_marker(data) else { return };
    if run != schedule.run || schedule.total == 0 {
        return;
    }
    if event % schedule.rooms != stream.room as u64 {
        status.wrong += 1;
        return;
    }
    let mut covered = event;
    while covered >= stream.newest {
        if covered >= schedule.warm_up {
            status.covered += 1;
            latencies.add(at.saturating_sub(schedule.at(covered)));
        }
        let Some(before) = covered.checked_sub(schedule.rooms) else { break };
        covered = before;
    }
    stream.newest = stream.newest.max(event + 1);
}

/// The last one: who came last is at the end of a list.
fn newest_marker(data: &[u8]) -> Option<(u64, u64)> {
    let marker = &data[memmem::rfind(data, MARKER)? + MARKER.len()..];
    let marker = std::str::from_utf8(marker.split(|byte| *byte == b';').next()?).ok()?;
    let (run, event) = marker.split_once('.')?;
    Some((run.parse().ok()?, event.parse().ok()?))
}
