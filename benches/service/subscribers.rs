//! The subscribers: sockets on one poll, and when each got what it waited for.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token};

use super::{ROOMS, SUBSCRIBERS_PER_ROOM};

/// Nothing takes longer here, unless something was lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// Subscribers of all rooms.
pub struct Subscribers {
    sockets: Vec<mio::net::TcpStream>,
    poll: Poll,
    last_frame_bytes: usize,
}

/// When each room was last changed.
pub struct Triggers {
    start: Instant,
    pulled: Vec<AtomicU64>,
}

impl Triggers {
    /// Something is about to happen in a room.
    pub fn pull(&self, room: usize) {
        self.pulled[room].store(nanos_since(self.start), Ordering::Release);
    }
}

/// One stream of the service, after its first list.
pub fn open_one(address: SocketAddr, room: usize) -> TcpStream {
    let mut socket = TcpStream::connect(address).expect("the service");
    let request = format!(
        "GET /api/livekit/participants/stream?room=room-{room} HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\nAccept: text/event-stream\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).expect("the service");
    read_until_end_of_event(&mut socket);
    socket
}

impl Subscribers {
    pub fn of_service(address: SocketAddr) -> Self {
        Self::of(|_, room| open_one(address, room))
    }

    /// Each room has subscribers at all of these.
    pub fn of_services(addresses: &[SocketAddr]) -> Self {
        Self::of(|index, room| open_one(addresses[index / ROOMS % addresses.len()], room))
    }

    pub fn of_bare_loop(address: SocketAddr) -> Self {
        Self::of(|_, room| {
            let mut socket = TcpStream::connect(address).expect("the bare loop");
            let room = u32::try_from(room).expect("few rooms");
            socket.write_all(&room.to_le_bytes()).expect("the bare loop");
            socket.read_exact(&mut [0]).expect("the bare loop answers");
            socket
        })
    }

    fn of(open: impl Fn(usize, usize) -> TcpStream) -> Self {
        let poll = Poll::new().expect("a poll");
        let mut sockets = Vec::with_capacity(ROOMS * SUBSCRIBERS_PER_ROOM);
        // Subscribers of a room do not come one after the other.
        for index in 0..ROOMS * SUBSCRIBERS_PER_ROOM {
            let socket = open(index, index % ROOMS);
            socket.set_nonblocking(true).expect("a socket");
            let mut socket = mio::net::TcpStream::from_std(socket);
            poll.registry()
                .register(&mut socket, Token(index), Interest::READABLE)
                .expect("a descriptor");
            sockets.push(socket);
        }
        Self { sockets, poll, last_frame_bytes: 0 }
    }

    /// The size of what came last.
    pub fn last_frame_bytes(&self) -> usize {
        self.last_frame_bytes
    }

    /// Runs `load` beside, and returns how long each of its changes took to each subscriber, in nanoseconds. Waits until every
    /// subscriber has every change.
    pub fn measure(&mut self, load: impl FnOnce(&Triggers)) -> Vec<u64> {
        let triggers = Arc::new(Triggers {
            start: Instant::now(),
            pulled: (0..ROOMS).map(|_| AtomicU64::new(0)).collect(),
        });
        let done = Arc::new(AtomicBool::new(false));
        let (send, receive) = mpsc::channel();
        thread::scope(|scope| {
            let (watching, watched_until) = (Arc::clone(&triggers), Arc::clone(&done));
            scope.spawn(move || {
                let latencies = self.watch(&watching, &watched_until);
                send.send(latencies).expect("somebody waits");
            });
            load(&triggers);
            done.store(true, Ordering::Release);
        });
        receive.recv().expect("the subscribers have finished")
    }

    fn watch(&mut self, triggers: &Triggers, done: &AtomicBool) -> Vec<u64> {
        let mut events = Events::with_capacity(1024);
        let mut latencies = Vec::with_capacity(1 << 20);
        let mut scratch = vec![0; 64 * 1024];
        let expected = super::load::CHANGES * SUBSCRIBERS_PER_ROOM;
        let mut last = Instant::now();
        while !done.load(Ordering::Acquire) || latencies.len() < expected {
            self.poll.poll(&mut events, Some(Duration::from_millis(100))).expect("a poll");
            for event in &events {
                let index = event.token().0;
                let mut received = 0;
                loop {
                    match self.sockets[index].read(&mut scratch[received..]) {
                        Ok(0) => panic!("a stream ended"),
                        Ok(count) => received += count,
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(error) => panic!("a stream failed: {error}"),
                    }
                }
                if scratch[..received].ends_with(b"\n\n\r\n") {
                    let pulled = triggers.pulled[index % ROOMS].load(Ordering::Acquire);
                    latencies.push(nanos_since(triggers.start).saturating_sub(pulled));
                    self.last_frame_bytes = received;
                    last = Instant::now();
                }
            }
            assert!(last.elapsed() < PATIENCE, "{} of {expected} deliveries came", latencies.len());
        }
        latencies
    }
}

fn nanos_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).expect("not for centuries")
}

fn read_until_end_of_event(socket: &mut TcpStream) {
    let mut received = Vec::new();
    let mut scratch = [0; 16 * 1024];
    while !received.ends_with(b"\n\n\r\n") {
        let count = socket.read(&mut scratch).expect("a stream");
        assert!(count > 0, "a stream ended: {}", String::from_utf8_lossy(&received));
        received.extend_from_slice(&scratch[..count]);
    }
}
