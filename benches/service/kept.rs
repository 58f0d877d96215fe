//! What it costs to follow LiveKit's own Redis: people in one room change their attributes there, 50 times a second together, and
//! one stream watches.
//!
//! `cargo bench --bench service kept` for ten seconds, or for as many as a second argument says.

#[path = "../../tests/it/harness/livekits_messages.rs"]
#[expect(clippy::unwrap_used, reason = "it is a file of the tests, where that is not looked for")]
mod livekits_messages;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use self::livekits_messages::{kept_person, kept_room};
use super::{histogram::Histogram, load, process::Measured, shared::PORT};

const SECS: u64 = 10;
const SIZES: [usize; 2] = [20, 1_000];
const CHANGES_PER_SEC: usize = 50;
/// Changes for this long do not count.
const WARM_UP: Duration = Duration::from_secs(3);
/// What is not shown this long after the last change is lost.
const LATE: Duration = Duration::from_secs(5);

pub fn measure(secs: Option<u64>) {
    let time = Duration::from_secs(secs.unwrap_or(SECS));
    println!(
        "\n{CHANGES_PER_SEC} changes a second in LiveKit's own Redis, for {} s:",
        time.as_secs()
    );
    for people in SIZES {
        let Some(redis) = Measured::redis(PORT) else {
            println!("  redis-server is not installed: nothing measured");
            return;
        };
        of(&Kept::fill(redis.address, people), &redis, time);
    }
}

fn of(kept: &Kept, redis: &Measured, time: Duration) {
    let url = format!("redis://{}", redis.address);
    // Nothing answers there: it is not asked.
    let settings = [("LIVEKIT_URL", "ws://127.0.0.1:1"), ("LIVEKIT_REDIS_URL", url.as_str())];
    let service = Measured::service_with(&settings);
    while metric(service.address, "livekit_redis_up") < 1.0 {
        thread::sleep(Duration::from_millis(10));
    }
    load::flood(&load::join_requests_of(0..1, kept.people), &[service.address]);
    let stream = open(service.address);
    let is_over = AtomicBool::new(false);
    let (spent, latencies) = thread::scope(|scope| {
        let reading = scope.spawn(|| kept.read(stream, &is_over));
        kept.change(WARM_UP);
        let before = Spent::until_now(&service, redis);
        kept.change(time);
        let spent = Spent::until_now(&service, redis).since(&before);
        thread::sleep(LATE);
        is_over.store(true, Ordering::Relaxed);
        (spent, reading.join().expect("it reads"))
    });
    let made = kept.made.lock().expect("nobody panics").len() - changes_in(WARM_UP);
    let lost = made - latencies.len();
    let latencies: Histogram = latencies.into_iter().collect();
    let per_sec = |figure: f64| figure / time.as_secs_f64();
    println!(
        "  room of {}, {} bytes of each: p50 {:.1} ms and p99 {:.1} ms from the write to the frame, {lost} of {made} lost; \
         {:.1} % of a processor, Redis {:.1} %; {:.1} readings and {:.0} KiB a second",
        kept.people,
        kept.person(0, Some(10_000)).len(),
        latencies.millis(500),
        latencies.millis(990),
        100.0 * per_sec(spent.cpu.as_secs_f64()),
        100.0 * per_sec(spent.cpu_of_redis.as_secs_f64()),
        per_sec(spent.reads),
        per_sec(spent.bytes) / 1024.0,
    );
}

/// The service and its Redis until a moment.
struct Spent {
    cpu: Duration,
    cpu_of_redis: Duration,
    reads: f64,
    bytes: f64,
}

impl Spent {
    fn until_now(service: &Measured, redis: &Measured) -> Self {
        Self {
            cpu: service.cpu(),
            cpu_of_redis: redis.cpu(),
            reads: metric(service.address, "livekit_redis_reads_total{what=\"people\""),
            bytes: metric(service.address, "livekit_redis_read_bytes_total"),
        }
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            cpu: self.cpu - before.cpu,
            cpu_of_redis: self.cpu_of_redis - before.cpu_of_redis,
            reads: self.reads - before.reads,
            bytes: self.bytes - before.bytes,
        }
    }
}

/// What LiveKit keeps of one room. The nth change is of the nth person in turn, whose attribute `changes` says n.
struct Kept {
    people: usize,
    redis: Mutex<redis::Connection>,
    made: Mutex<Vec<Instant>>,
}

impl Kept {
    fn fill(address: SocketAddr, people: usize) -> Self {
        let client = redis::Client::open(format!("redis://{address}")).expect("an address");
        let redis = Mutex::new(client.get_connection().expect("Redis"));
        let kept = Self { people, redis, made: Mutex::default() };
        let mut all = redis::pipe();
        all.cmd("SET").arg("livekit_version").arg("1.13.5");
        all.cmd("HSET").arg("rooms").arg("room-0").arg(kept_room("room-0", "RM_room-0", "", 0));
        for index in 0..people {
            let person = kept.person(index, None);
            all.cmd("HSET").arg(PEOPLE_KEY).arg(format!("person-{index}")).arg(person);
        }
        all.exec(&mut kept.redis.lock().expect("nobody panics")).expect("Redis");
        kept
    }

    /// Somebody after a change, or before all.
    fn person(&self, index: usize, change: Option<usize>) -> Vec<u8> {
        let mut person = load::person_in(0, index);
        person["attributes"] = json!({"hand": "raised"});
        if let Some(change) = change {
            person["version"] = json!(3 + change / self.people);
            person["attributes"]["changes"] = change.to_string().into();
        }
        person["permission"] = json!({"can_subscribe": true, "can_publish": true});
        let tracks = ["microphone", "camera"].map(|source| format!("TR_{index}_{source}"));
        person["tracks"] = tracks.map(|sid| json!({"sid": sid})).into_iter().collect();
        kept_person(&person)
    }

    /// People change for this long.
    fn change(&self, time: Duration) {
        let start = Instant::now();
        for count in 0..changes_in(time) {
            let due = Duration::from_secs_f64(count as f64 / CHANGES_PER_SEC as f64);
            thread::sleep((start + due).saturating_duration_since(Instant::now()));
            let change = self.made.lock().expect("nobody panics").len();
            let index = change % self.people;
            let mut written = redis::cmd("HSET");
            written.arg(PEOPLE_KEY).arg(format!("person-{index}"));
            written.arg(self.person(index, Some(change)));
            self.made.lock().expect("nobody panics").push(Instant::now());
            written.exec(&mut self.redis.lock().expect("nobody panics")).expect("Redis");
        }
    }

    /// Reads the stream, and returns how long each change took that counts, in nanoseconds.
    fn read(&self, stream: TcpStream, is_over: &AtomicBool) -> Vec<u64> {
        let mut latencies = Vec::new();
        let mut next: Vec<_> = (0..self.people).collect();
        let mut lines = BufReader::new(stream);
        let mut line = Vec::new();
        while !is_over.load(Ordering::Relaxed) {
            // What was read before the time was over stays in the line.
            if lines.read_until(b'\n', &mut line).is_err() {
                continue;
            }
            let at = Instant::now();
            let data = line.strip_prefix(b"data: ");
            if let Some(data) = data.and_then(|data| serde_json::from_slice::<Value>(data).ok()) {
                self.see(&data, at, &mut next, &mut latencies);
            }
            line.clear();
        }
        latencies
    }

    fn see(&self, data: &Value, at: Instant, next: &mut [usize], latencies: &mut Vec<u64>) {
        let lists = ["participants", "updated"].iter().filter_map(|list| data[list].as_array());
        let made = self.made.lock().expect("nobody panics");
        for person in lists.flatten() {
            let changes = person["attributes"]["changes"].as_str();
            let Some(shown) = changes.and_then(|shown| shown.parse::<usize>().ok()) else {
                continue;
            };
            let next = &mut next[shown % self.people];
            while *next <= shown {
                if *next >= changes_in(WARM_UP) {
                    let nanos = (at - made[*next]).as_nanos();
                    latencies.push(u64::try_from(nanos).expect("less than centuries"));
                }
                *next += self.people;
            }
        }
    }
}

const PEOPLE_KEY: &str = "room_participants:room-0";

fn changes_in(time: Duration) -> usize {
    CHANGES_PER_SEC * usize::try_from(time.as_secs()).expect("a few minutes")
}

fn open(address: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(address).expect("the service");
    let request = b"GET /api/livekit/rooms/stream?room=room-0 HTTP/1.1\r\nHost: bench\r\n\r\n";
    socket.write_all(request).expect("the service");
    socket.set_read_timeout(Some(Duration::from_secs(1))).expect("a socket");
    socket
}

/// The sum of the metrics that begin so.
fn metric(address: SocketAddr, begin: &str) -> f64 {
    let mut socket = TcpStream::connect(address).expect("the service");
    let request = b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
    socket.write_all(request).expect("the service");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("the service");
    let begin = format!("livekit_presence_{begin}");
    let lines = answer.lines().filter(|line| line.starts_with(&begin));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}
