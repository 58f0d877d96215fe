//! The least that can be done: threads that hold sockets, and write given bytes to those of a room when told to.
//!
//! No HTTP, no lists, no rules. A subscriber sends the number of its room; a control connection sends a room's number (or the
//! length of what to write) to the thread that has it.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Barrier},
    thread,
};

/// What a control connection says first, instead of a room's number.
const CONTROL: u32 = u32::MAX;
const BYTES_FOLLOW: u32 = u32::MAX - 1;

/// The size of a bare loop.
#[derive(Clone, Copy)]
pub struct Size {
    pub threads: usize,
    pub rooms: usize,
    pub subscribers_per_room: usize,
}

/// Listens, takes all subscribers and one control connection per thread, and serves until the controls are gone.
pub fn run(size: Size) {
    let Size { threads, rooms: room_count, subscribers_per_room } = size;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("it is bound"));
    let mut rooms: Vec<Vec<TcpStream>> = (0..room_count).map(|_| Vec::new()).collect();
    let mut controls = Vec::new();
    for _ in 0..room_count * subscribers_per_room + threads {
        let (mut socket, _) = listener.accept().expect("a connection");
        socket.set_nodelay(true).expect("a TCP socket");
        match read_number(&mut socket).expect("a number") {
            CONTROL => controls.push(socket),
            room => {
                // As the service answers a subscriber, so that both know of each other.
                socket.write_all(b"\n").expect("a subscriber");
                socket.set_nonblocking(true).expect("a socket");
                rooms[room as usize].push(socket);
            }
        }
    }
    let ready = Arc::new(Barrier::new(threads));
    let mut shares: Vec<Vec<(usize, Vec<TcpStream>)>> = (0..threads).map(|_| Vec::new()).collect();
    for (room, sockets) in rooms.into_iter().enumerate() {
        shares[room % threads].push((room, sockets));
    }
    let serving: Vec<_> = shares
        .into_iter()
        .zip(controls)
        .map(|(share, control)| {
            let ready = Arc::clone(&ready);
            thread::spawn(move || serve(share, room_count, control, &ready))
        })
        .collect();
    for thread in serving {
        thread.join().expect("no thread fails");
    }
}

fn serve(
    share: Vec<(usize, Vec<TcpStream>)>,
    room_count: usize,
    mut control: TcpStream,
    ready: &Barrier,
) {
    let mut rooms: Vec<Vec<TcpStream>> = (0..room_count).map(|_| Vec::new()).collect();
    for (room, sockets) in share {
        rooms[room] = sockets;
    }
    ready.wait();
    let mut bytes = Vec::new();
    while let Some(number) = read_number(&mut control) {
        if number == BYTES_FOLLOW {
            let length = read_number(&mut control).expect("a length");
            bytes = vec![b'x'; length as usize];
            bytes[length as usize - 4..].copy_from_slice(b"\n\n\r\n");
            continue;
        }
        for socket in &mut rooms[number as usize] {
            let written = socket.write(&bytes).expect("a subscriber that reads");
            assert_eq!(written, bytes.len(), "no subscriber is slow here");
        }
    }
}

fn read_number(socket: &mut TcpStream) -> Option<u32> {
    let mut number = [0; 4];
    socket.read_exact(&mut number).ok()?;
    Some(u32::from_le_bytes(number))
}

/// The control connections, from outside.
pub struct Controls(Vec<TcpStream>);

impl Controls {
    pub fn connect(address: SocketAddr, threads: usize, frame_bytes: usize) -> Self {
        let connect = |_| {
            let mut socket = TcpStream::connect(address).expect("the bare loop");
            socket.set_nodelay(true).expect("a TCP socket");
            socket.write_all(&CONTROL.to_le_bytes()).expect("the bare loop");
            let length = u32::try_from(frame_bytes).expect("a frame is small");
            for number in [BYTES_FOLLOW, length] {
                socket.write_all(&number.to_le_bytes()).expect("the bare loop");
            }
            socket
        };
        Self((0..threads).map(connect).collect())
    }

    pub fn write_to_room(&mut self, room: usize) {
        let number = u32::try_from(room).expect("few rooms").to_le_bytes();
        let threads = self.0.len();
        self.0[room % threads].write_all(&number).expect("the bare loop");
    }
}
