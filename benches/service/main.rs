//! What the service costs, beside a bare loop that writes the same bytes to as many sockets, in one run.
//!
//! `cargo bench`, or `make bench`; `cargo bench --bench service room-list` for the list of rooms alone, `history` for the history, `kept` for what is read from LiveKit's own Redis, `unseen` for what no webhook tells (twenty minutes), and `soak 120` for two hours under load, which `cargo bench` alone does not measure. Figures of one machine mean little; the ratios are what counts. Subscriber and service share
//! the machine's processors, so latencies are those of a busy one.

mod bare_loop;
mod capacity;
mod fan_out;
mod feed;
mod histogram;
mod history;
mod kept;
mod load;
mod peers;
mod process;
mod publisher;
mod readers;
mod report;
mod room_list;
mod scale;
mod schedule;
mod sender;
mod shared;
mod soak;
mod target;
mod unseen;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use process::Measured;

/// Of measurements other than the fan-out.
const ROOMS: usize = 200;
const PEOPLE_PER_ROOM: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut words = arguments.iter().filter(|argument| !argument.starts_with('-'));
    let what = words.next().map(String::as_str);
    let further = words.next().map(String::as_str);
    let number = further.and_then(|number| number.parse().ok());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    match what {
        Some("bare-loop") => bare_loop::run(number.expect("how many threads")),
        Some("readers") => readers::run(),
        Some("fan-out") => fan_out::measure(number),
        Some("sender") => sender::measure(number),
        Some("scale") => scale::measure(further),
        Some("capacity") => capacity::measure(),
        Some("soak") => {
            let minutes = number.expect("how many minutes");
            soak::measure(minutes as u64, words.next().map(String::as_str));
        }
        Some("peers") => peers::measure(number),
        Some("throughput") => throughput(),
        Some("redis") => shared::on_redis(),
        Some("room-list") => room_list::measure(),
        Some("history") => history::measure(),
        Some("unseen") => unseen::measure(number.map(|number| number as u64)),
        Some("kept") => kept::measure(number.map(|number| number as u64)),
        Some("feed") => feed::measure(threads),
        Some(other) => panic!("there is no measurement called {other}"),
        None => {
            fan_out::measure(None);
            throughput();
            feed::measure(threads);
            shared::on_redis();
            room_list::measure();
            kept::measure(None);
        }
    }
}

/// A tenth of this with `--tenth`, to try whether a measurement works.
fn tenth(size: usize) -> usize {
    if std::env::args().any(|argument| argument == "--tenth") { size / 10 } else { size }
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

    let _subscriber = open_stream(service.address, 7);
    let before = service.cpu();
    let (count, per_sec) = load::flood_again(&get, 40_000, service.address);
    report("GETs of a hot room", per_sec, service.cpu() - before, count);
}

pub fn fill_rooms(address: SocketAddr) {
    load::flood(&load::join_requests(PEOPLE_PER_ROOM), &[address]);
}

/// A stream of the service, after its first list.
fn open_stream(address: SocketAddr, room: usize) -> TcpStream {
    let mut socket = TcpStream::connect(address).expect("the service");
    socket.write_all(&target::Kind::Lists.subscribe(room)).expect("the service");
    let mut received = Vec::new();
    let mut scratch = [0; 16 * 1024];
    while !received.ends_with(b"]\n\n\r\n") {
        let count = socket.read(&mut scratch).expect("a stream");
        assert!(count > 0, "a stream ended: {}", String::from_utf8_lossy(&received));
        received.extend_from_slice(&scratch[..count]);
    }
    socket
}
