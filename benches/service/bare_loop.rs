//! The least that can be done: a poll per thread, and for each message one write of the given bytes to each socket of a room.
//!
//! No lists, no rules, and of HTTP the first line only. Each thread has the sockets that it accepted, and gets word of what the
//! others were given to write.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream as BlockingStream},
    sync::{Arc, Mutex},
    thread,
};

use mio::{
    Events, Interest, Poll, Token, Waker,
    net::{TcpListener, TcpStream},
};
use slab::Slab;
use socket2::{Domain, Socket, Type};

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";
const DONE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const LISTENER: Token = Token(usize::MAX - 1);
const WAKER: Token = Token(usize::MAX - 2);

pub fn subscribe(room: usize) -> Vec<u8> {
    format!("GET /s?id={room} HTTP/1.1\r\nHost: bench\r\n\r\n").into_bytes()
}

pub fn publish(room: usize, bytes: &[u8]) -> Vec<u8> {
    let head = format!("POST /p?id={room}&n={} HTTP/1.1\r\nHost: bench\r\n\r\n", bytes.len());
    [head.as_bytes(), bytes].concat()
}

/// A subscriber's socket, after the head of the answer.
pub fn open(address: SocketAddr, room: usize) -> BlockingStream {
    let mut socket = BlockingStream::connect(address).expect("the bare loop");
    socket.write_all(&subscribe(room)).expect("the bare loop");
    socket.read_exact(&mut vec![0; HEAD.len()]).expect("the bare loop answers");
    socket
}

/// What a thread is to write: bytes, to its sockets of a room.
type Message = (usize, Arc<Vec<u8>>);

struct Inbox {
    messages: Mutex<VecDeque<Message>>,
    waker: Waker,
}

/// Says where it listens, and serves until it is killed.
pub fn run(threads: usize) {
    super::process::end_with_parent();
    super::process::raise_descriptors();
    let mut address = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut polls = Vec::new();
    for _ in 0..threads {
        let listener = listen(address);
        address = listener.local_addr().expect("it is bound");
        polls.push((Poll::new().expect("a poll"), listener));
    }
    let inboxes: Arc<Vec<Inbox>> =
        Arc::new(polls.iter().map(|(poll, _)| Inbox::of(poll)).collect());
    println!("{address}");
    let loops: Vec<_> = polls.into_iter().enumerate().collect();
    thread::scope(|scope| {
        for (place, (poll, listener)) in loops {
            let own = Own {
                place,
                inboxes: Arc::clone(&inboxes),
                sockets: Slab::new(),
                rooms: Vec::new(),
            };
            scope.spawn(move || own.serve(poll, listener));
        }
    });
}

fn listen(address: SocketAddr) -> TcpListener {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_reuse_port(true).expect("a socket");
    socket.set_nonblocking(true).expect("a socket");
    socket.bind(&address.into()).expect("a port");
    socket.listen(65_535).expect("a port");
    TcpListener::from_std(socket.into())
}

impl Inbox {
    fn of(poll: &Poll) -> Self {
        let waker = Waker::new(poll.registry(), WAKER).expect("a descriptor");
        Self { messages: Mutex::default(), waker }
    }
}

/// A thread's sockets.
struct Own {
    place: usize,
    inboxes: Arc<Vec<Inbox>>,
    /// Each with what has come of a request that is not whole.
    sockets: Slab<(TcpStream, Vec<u8>)>,
    rooms: Vec<Vec<usize>>,
}

impl Own {
    fn serve(mut self, mut poll: Poll, mut listener: TcpListener) {
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)
            .expect("a descriptor");
        let mut events = Events::with_capacity(1024);
        let mut scratch = vec![0; 256 * 1024];
        loop {
            poll.poll(&mut events, None).expect("a poll");
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(&listener, &poll),
                    WAKER => self.look_into_inbox(),
                    Token(key) => self.read(key, &mut scratch),
                }
            }
        }
    }

    fn accept(&mut self, listener: &TcpListener, poll: &Poll) {
        while let Ok((mut socket, _)) = listener.accept() {
            socket.set_nodelay(true).expect("a TCP socket");
            let entry = self.sockets.vacant_entry();
            let token = Token(entry.key());
            poll.registry().register(&mut socket, token, Interest::READABLE).expect("a descriptor");
            entry.insert((socket, Vec::new()));
        }
    }

    fn look_into_inbox(&mut self) {
        loop {
            let next = self.inboxes[self.place].messages.lock().expect("nobody panics").pop_front();
            let Some((room, bytes)) = next else { return };
            self.write(room, &bytes);
        }
    }

    fn read(&mut self, key: usize, scratch: &mut [u8]) {
        loop {
            let Some((socket, rest)) = self.sockets.get_mut(key) else { return };
            match socket.read(scratch) {
                Ok(0) => return self.close(key),
                Ok(count) => {
                    rest.extend_from_slice(&scratch[..count]);
                    let received = std::mem::take(rest);
                    let used = self.request(key, &received);
                    if used < received.len() {
                        self.sockets[key].1 = received[used..].to_vec();
                    }
                    if count < scratch.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.close(key),
            }
        }
    }

    fn close(&mut self, key: usize) {
        self.sockets.remove(key);
        for room in &mut self.rooms {
            room.retain(|member| *member != key);
        }
    }

    /// Returns how many bytes the request had; 0 while it is not whole.
    fn request(&mut self, key: usize, received: &[u8]) -> usize {
        let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else { return 0 };
        let line = std::str::from_utf8(&received[..end]).expect("a head is text").lines().next();
        let line = line.expect("a line");
        let number = |name: &str| {
            let after = line.split(name).nth(1)?;
            after.split(['&', ' ']).next()?.parse::<usize>().ok()
        };
        let room = number("id=").expect("a room");
        if self.rooms.len() <= room {
            self.rooms.resize(room + 1, Vec::new());
        }
        if line.starts_with("GET") {
            self.rooms[room].push(key);
            self.sockets[key].0.write_all(HEAD).expect("a subscriber");
            return end + 4;
        }
        let all = end + 4 + number("n=").expect("a length");
        if received.len() < all {
            return 0;
        }
        self.publish(room, &received[end + 4..all]);
        self.sockets[key].0.write_all(DONE).expect("a publisher");
        all
    }

    fn publish(&self, room: usize, bytes: &[u8]) {
        if self.inboxes.len() > 1 {
            let shared = Arc::new(bytes.to_vec());
            for (place, inbox) in self.inboxes.iter().enumerate() {
                if place != self.place {
                    let message = (room, Arc::clone(&shared));
                    inbox.messages.lock().expect("nobody panics").push_back(message);
                    inbox.waker.wake().expect("a descriptor");
                }
            }
        }
        self.write(room, bytes);
    }

    fn write(&self, room: usize, bytes: &[u8]) {
        for key in self.rooms.get(room).into_iter().flatten() {
            let mut socket = &self.sockets[*key].0;
            if !socket.write(bytes).is_ok_and(|count| count == bytes.len()) {
                // Its reader sees the end.
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
    }
}
