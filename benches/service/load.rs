//! Webhooks and GETs: paced for latencies, without pause for throughput.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    ops::Range,
    thread,
    time::{Duration, Instant},
};

use livekit_presence::{
    clock::Clock,
    livekit::{ApiKey, Keys, WebhookToken},
};
use serde_json::{Value, json};

use super::{ROOMS, process::KEYS};

/// Connections that ask without pause.
const CLIENTS: usize = 8;

/// Sends all requests from a few connections, this many a second together.
pub fn steadily(requests: &[Vec<u8>], per_sec: u32, address: SocketAddr) {
    let start = Instant::now();
    let between = Duration::from_secs(1) / per_sec;
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || {
                let mut socket = connect(address);
                for (index, request) in requests.iter().enumerate().skip(client).step_by(CLIENTS) {
                    let due = start + between * u32::try_from(index).expect("few");
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    ask(&mut socket, request);
                }
            });
        }
    });
}

/// Sends all requests from a few connections, each as soon as the one before is answered. Returns how many, and how many a
/// second.
pub fn flood(requests: &[Vec<u8>], addresses: &[SocketAddr]) -> (usize, f64) {
    flood_from(CLIENTS, requests, addresses)
}

/// As [`flood`], from this many connections.
pub fn flood_from(clients: usize, requests: &[Vec<u8>], addresses: &[SocketAddr]) -> (usize, f64) {
    let started = Instant::now();
    thread::scope(|scope| {
        for client in 0..clients {
            scope.spawn(move || {
                let mut socket = connect(addresses[client % addresses.len()]);
                for request in requests.iter().skip(client).step_by(clients) {
                    ask(&mut socket, request);
                }
            });
        }
    });
    (requests.len(), requests.len() as f64 / started.elapsed().as_secs_f64())
}

/// Sends the same requests again and again.
pub fn flood_again(requests: &[Vec<u8>], count: usize, address: SocketAddr) -> (usize, f64) {
    let repeated: Vec<_> = requests.iter().cycle().take(count).cloned().collect();
    flood(&repeated, &[address])
}

/// A connection to keep.
pub fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("the service");
    socket.set_nodelay(true).expect("a TCP socket");
    socket
}

/// Lets people join all rooms.
pub fn join_requests(people_per_room: usize) -> Vec<Vec<u8>> {
    join_requests_of(0..ROOMS, people_per_room)
}

/// Lets people join some rooms.
pub fn join_requests_of(rooms: Range<usize>, people_per_room: usize) -> Vec<Vec<u8>> {
    let mut bodies: Vec<_> = rooms.clone().map(|room| event("room_started", room)).collect();
    for person in 0..people_per_room {
        for room in rooms.clone() {
            let mut body = event("participant_joined", room);
            body["participant"] = person_in(room, person);
            bodies.push(body);
        }
    }
    sign_all(bodies)
}

/// Somebody who joins a room.
pub fn person_in(room: usize, person: usize) -> Value {
    json!({
        "sid": format!("PA_{room}_{person}"),
        "identity": format!("person-{person}"),
        "name": format!("Person number {person}"),
        "state": "ACTIVE",
        "joinedAtMs": (1_795_391_850_000_u64 + person as u64).to_string(),
        "version": 2,
        "metadata": "{\"avatar\":\"https://example.com/a.png\"}",
    })
}

/// Publishes a track in each room, then takes it back, and so on.
pub fn track_requests(count: usize) -> Vec<Vec<u8>> {
    track_requests_of(0..ROOMS, count)
}

/// The same in some rooms.
pub fn track_requests_of(rooms: Range<usize>, count: usize) -> Vec<Vec<u8>> {
    let run = fastrand::u32(..);
    let bodies = (0..count).map(|index| {
        let (room, round) = (rooms.start + index % rooms.len(), index / rooms.len());
        let name = if round % 2 == 0 { "track_published" } else { "track_unpublished" };
        let mut body = event(name, room);
        body["participant"] = json!({"sid": format!("PA_{room}_0"), "identity": "person-0"});
        let track = format!("TR_{run:08x}_{}", round / 2);
        body["track"] = json!({"sid": track, "type": "AUDIO", "source": "MICROPHONE"});
        body
    });
    sign_all(bodies)
}

fn event(name: &str, room: usize) -> Value {
    json!({
        "event": name,
        "room": {"sid": format!("RM_{room}"), "name": format!("room-{room}")},
        "id": new_id(),
        "createdAt": "1795391850",
    })
}

/// An event in the given life of a room, which happens now.
pub fn event_in_life(name: &str, room: usize, life: usize) -> Value {
    let mut body = event(name, room);
    body["room"]["sid"] = format!("RM_{room}_{life}").into();
    body["createdAt"] = Clock::system().now().as_secs().to_string().into();
    body
}

/// The id of an event.
pub fn new_id() -> String {
    format!("EV_{:016x}", fastrand::u64(..))
}

/// Makes requests of webhooks.
pub struct Signer(Keys);

impl Signer {
    pub fn new() -> Self {
        Self(Keys::new(&ApiKey::parse_lines(KEYS).expect("a key")))
    }

    /// A request that is valid now.
    pub fn sign(&self, body: impl ToString) -> Vec<u8> {
        let body = body.to_string();
        let now = Clock::system().now().as_secs();
        let token = WebhookToken::sign(body.as_bytes(), &self.0, now).expect("a key");
        format!(
            "POST /api/livekit/webhook HTTP/1.1\r\nHost: bench\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: {}\r\nAuthorization: {token}\r\nContent-Type: application/webhook+json\r\nAccept-Encoding: gzip\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

/// Requests with these webhooks, signed.
pub fn sign_all(bodies: impl IntoIterator<Item: ToString>) -> Vec<Vec<u8>> {
    let signer = Signer::new();
    bodies.into_iter().map(|body| signer.sign(body)).collect()
}

/// The body of an answer.
pub fn get(address: SocketAddr, path: &str) -> Vec<u8> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n");
    let answer = ask(&mut connect(address), request.as_bytes());
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("it is whole");
    answer[end + 4..].to_vec()
}

/// Sends a request and returns its answer, which must be a success.
pub fn ask(socket: &mut TcpStream, request: &[u8]) -> Vec<u8> {
    socket.write_all(request).expect("the service");
    let mut received = Vec::new();
    let mut scratch = [0; 16 * 1024];
    loop {
        let count = socket.read(&mut scratch).expect("the service");
        assert!(count > 0, "the service closed a connection");
        received.extend_from_slice(&scratch[..count]);
        if is_whole(&received) {
            break;
        }
    }
    assert!(received.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&received));
    received
}

/// Whether a response is there with its body.
pub fn is_whole(response: &[u8]) -> bool {
    let Some(end) = response.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let head = std::str::from_utf8(&response[..end]).expect("a head is text");
    let length = |line: &str| {
        line.split_once(':')
            .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))?
            .1
            .trim()
            .parse::<usize>()
            .ok()
    };
    let is_chunked = || response.ends_with(b"0\r\n\r\n");
    head.lines()
        .find_map(length)
        .map_or_else(is_chunked, |length| response.len() >= end + 4 + length)
}
