//! How late readers see what LiveKit sends no webhook for, with its API alone, as on LiveKit Cloud: people change their attributes
//! in rooms that one stream watches, and the calls to the API are counted.
//!
//! `cargo bench --bench service unseen` for twenty minutes, or for as many as a second argument says. `BENCH_BEFORE` names another
//! build of the service, which is measured beside, at the same time.

use std::{
    fmt,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::process::Measured;

const MINUTES: u64 = 20;
/// How many rooms of each kind a service has.
const MIXES: [[usize; 3]; 3] = [[0, 1, 0], [1, 3, 6], [10, 30, 60]];
/// Rooms are looked at for this long before anything counts.
const WARM_UP: Duration = Duration::from_mins(3);
const PEOPLE: usize = 5;

/// How attributes change, as in `src/reconcile/state/interval_simulation.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Once in five seconds.
    Busy,
    /// Ten times within a minute, every ten minutes.
    Ordinary,
    /// Once in ten minutes.
    Quiet,
}

const KINDS: [Kind; 3] = [Kind::Busy, Kind::Ordinary, Kind::Quiet];

pub fn measure(minutes: Option<u64>) {
    let time = Duration::from_mins(minutes.unwrap_or(MINUTES));
    let before = std::env::var("BENCH_BEFORE").ok();
    println!(
        "\nseconds until readers see what no webhook tells, within {} minutes:",
        time.as_secs() / 60
    );
    let programs = before.as_deref().map(|path| ("before", path)).into_iter();
    let programs = programs.chain([("now", env!("CARGO_BIN_EXE_livekit-presence"))]);
    let runs: Vec<_> = programs.flat_map(|program| MIXES.map(|mix| (mix, program))).collect();
    let reports: Vec<String> = thread::scope(|scope| {
        let running: Vec<_> = runs
            .into_iter()
            .map(|(mix, (name, path))| scope.spawn(move || of(name, path, mix, time).to_string()))
            .collect();
        running.into_iter().map(|run| run.join().expect("it ran")).collect()
    });
    for report in reports {
        print!("{report}");
    }
}

fn of(name: &'static str, program: &str, mix: [usize; 3], time: Duration) -> Report {
    let livekit = LiveKit::start(mix);
    let url = format!("ws://{}", livekit.address);
    let settings = [("LIVEKIT_URL", url.as_str()), ("LKP__LIMITS__LOOKUPS_PER_ADDRESS", "0")];
    let service = Measured::program_with(program, &settings);
    let until = Instant::now() + WARM_UP + time;
    let mut report = Report::new(name, mix);
    thread::scope(|scope| {
        for index in 0..livekit.rooms.len() {
            let livekit = &livekit;
            scope.spawn(move || livekit.rooms[index].live(until));
        }
        scope.spawn(|| {
            thread::sleep(WARM_UP);
            livekit.lists.store(0, Ordering::Relaxed);
            livekit.probes.store(0, Ordering::Relaxed);
        });
        read(service.address, &livekit, until, &mut report);
    });
    let per_minute =
        |count: &AtomicUsize| count.load(Ordering::Relaxed) as f64 / time.as_secs_f64() * 60.0;
    report.lists = per_minute(&livekit.lists);
    report.probes = per_minute(&livekit.probes);
    report
}

/// Reads a stream of all rooms, and notes when each change is seen.
fn read(address: SocketAddr, livekit: &LiveKit, until: Instant, report: &mut Report) {
    let mut socket = TcpStream::connect(address).expect("the service");
    let names: Vec<_> =
        (0..livekit.rooms.len()).map(|index| format!("room=room-{index}")).collect();
    let request = format!(
        "GET /api/livekit/rooms/stream?{} HTTP/1.1\r\nHost: bench\r\n\r\n",
        names.join("&")
    );
    socket.write_all(request.as_bytes()).expect("the service");
    socket.set_read_timeout(Some(Duration::from_secs(1))).expect("a socket");
    let counts_from = until - (until - Instant::now()) + WARM_UP;
    let mut lines = BufReader::new(socket);
    let mut line = Vec::new();
    while Instant::now() < until {
        // What was read before the time was over stays in the line.
        if lines.read_until(b'\n', &mut line).is_err() {
            continue;
        }
        let data = line.strip_prefix(b"data: ").and_then(|data| serde_json::from_slice(data).ok());
        if let Some(data) = data {
            see(&data, livekit, counts_from, report);
        }
        line.clear();
    }
}

fn see(data: &Value, livekit: &LiveKit, counts_from: Instant, report: &mut Report) {
    let Some(room) = data["room"].as_str().and_then(index_of) else { return };
    let people =
        ["participants", "updated"].iter().filter_map(|list| data[list].as_array()).flatten();
    let seen =
        people.filter_map(|one| one["attributes"]["changes"].as_str()?.parse::<usize>().ok());
    let Some(seen) = seen.max() else { return };
    let room = &livekit.rooms[room];
    let mut changes = room.changes.lock().expect("nobody panics");
    let now = Instant::now();
    let Changes { made, shown } = &mut *changes;
    for changed_at in made.iter().take(seen).skip(*shown).filter(|at| **at >= counts_from) {
        report.delays[room.kind as usize].push(now - *changed_at);
    }
    *shown = seen.max(*shown);
}

fn index_of(room: &str) -> Option<usize> {
    room.strip_prefix("room-")?.parse().ok()
}

/// A LiveKit of which only the API is there.
struct LiveKit {
    address: SocketAddr,
    rooms: Arc<Vec<Room>>,
    lists: Arc<AtomicUsize>,
    probes: Arc<AtomicUsize>,
}

struct Room {
    kind: Kind,
    changes: Mutex<Changes>,
}

#[derive(Default)]
struct Changes {
    made: Vec<Instant>,
    /// How many of them a reader has seen.
    shown: usize,
}

impl Room {
    /// Somebody changes their attributes again and again.
    fn live(&self, until: Instant) {
        const MINUTE: f64 = 60.0;
        let (period, within, count) = match self.kind {
            Kind::Busy => (5.0, 5.0, 1),
            Kind::Ordinary => (10.0 * MINUTE, MINUTE, 10),
            Kind::Quiet => (10.0 * MINUTE, 10.0 * MINUTE, 1),
        };
        let after = |secs: f64| Duration::from_secs_f64(secs * fastrand::f64());
        let mut from = Instant::now() + after(period);
        while from < until {
            let mut due: Vec<_> = (0..count).map(|_| from + after(within)).collect();
            due.sort_unstable();
            for at in due.into_iter().filter(|at| *at < until) {
                thread::sleep(at.saturating_duration_since(Instant::now()));
                self.changes.lock().expect("nobody panics").made.push(Instant::now());
            }
            from += Duration::from_secs_f64(period);
        }
    }

    fn people(&self, room: &str) -> Value {
        let changes = self.changes.lock().expect("nobody panics").made.len();
        let person = |index: usize| {
            let mut person = json!({
                "sid": format!("PA_{room}_{index}"),
                "identity": format!("person-{index}"),
                "state": "ACTIVE",
                "joined_at_ms": (1_795_391_850_000_u64 + index as u64).to_string(),
                "version": 2,
            });
            if index == 0 {
                person["version"] = json!(2 + changes);
                person["attributes"] = json!({"changes": changes.to_string()});
            }
            person
        };
        (0..PEOPLE).map(person).collect()
    }
}

impl LiveKit {
    fn start(mix: [usize; 3]) -> Self {
        let kinds = KINDS.into_iter().zip(mix);
        let kinds = kinds.flat_map(|(kind, count)| std::iter::repeat_n(kind, count));
        let rooms = kinds.map(|kind| Room { kind, changes: Mutex::default() }).collect();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let livekit =
            Self { address, rooms: Arc::new(rooms), lists: Arc::default(), probes: Arc::default() };
        let serving = Self {
            address,
            rooms: Arc::clone(&livekit.rooms),
            lists: Arc::clone(&livekit.lists),
            probes: Arc::clone(&livekit.probes),
        };
        let serving = Arc::new(serving);
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let serving = Arc::clone(&serving);
                thread::spawn(move || serving.serve(socket));
            }
        });
        livekit
    }

    /// Answers calls until the connection ends.
    fn serve(&self, socket: TcpStream) -> Option<()> {
        let mut answers = socket.try_clone().ok()?;
        let mut requests = BufReader::new(socket);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                (requests.read_line(&mut head).ok()? > 0).then_some(())?;
            }
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let mut body = vec![0; length?.parse().ok()?];
            requests.read_exact(&mut body).ok()?;
            let answer = self.answer(head.lines().next()?, &serde_json::from_slice(&body).ok()?);
            let answer = answer.to_string();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                answer.len()
            );
            answers.write_all(format!("{head}{answer}").as_bytes()).ok()?;
        }
    }

    fn answer(&self, request_line: &str, request: &Value) -> Value {
        let all = self.rooms.len();
        if request_line.contains("/listrooms") {
            let rooms: Vec<_> =
                (0..all).map(|index| json!({"name": format!("room-{index}")})).collect();
            return json!({"rooms": rooms});
        }
        if !request_line.contains("/listparticipants") {
            self.probes.fetch_add(1, Ordering::Relaxed);
            return json!({});
        }
        self.lists.fetch_add(1, Ordering::Relaxed);
        let name = request["room"].as_str().unwrap_or_default();
        let room = index_of(name).filter(|index| *index < all);
        room.map_or(json!({}), |index| json!({"participants": self.rooms[index].people(name)}))
    }
}

struct Report {
    name: &'static str,
    mix: [usize; 3],
    delays: [Vec<Duration>; 3],
    /// Calls a minute.
    lists: f64,
    probes: f64,
}

impl Report {
    fn new(name: &'static str, mix: [usize; 3]) -> Self {
        Self { name, mix, delays: Default::default(), lists: 0.0, probes: 0.0 }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, mix, delays, lists, probes } = self;
        writeln!(
            formatter,
            "  {} rooms, {name}: {lists:.1} lists and {probes:.1} probes a minute",
            mix.iter().sum::<usize>()
        )?;
        for (kind, delays) in KINDS.into_iter().zip(delays).filter(|(_, delays)| !delays.is_empty())
        {
            let mut delays = delays.clone();
            delays.sort_unstable();
            let at = |percent: usize| delays[delays.len() * percent / 100].as_secs_f64();
            let mean = delays.iter().sum::<Duration>().as_secs_f64() / delays.len() as f64;
            let (count, kind) = (delays.len(), format!("{kind:?}"));
            writeln!(
                formatter,
                "    {kind:<9} p50 {:>5.1}, p95 {:>5.1}, p99 {:>5.1}, mean {mean:>5.1}, of {count} changes",
                at(50),
                at(95),
                at(99),
            )?;
        }
        Ok(())
    }
}
