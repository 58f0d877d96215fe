//! Readers of streams, in processes of their own: each has descriptors of its own, and they can be pinned apart from the server.

mod process;
mod stream;
mod streams;

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{histogram::Histogram, process::cpu_of, schedule::Schedule, target::Kind};

pub use process::run;

/// Streams of one process: a system may allow 20,000 descriptors.
const MAX_STREAMS: usize = 16_000;
/// Threads that read, over all processes.
const THREADS: usize = 2;
/// Streams that are not open by then cannot be opened.
const OPENING_PATIENCE: Duration = Duration::from_mins(1);

/// What streams there are: the one with number `n` is of room `n % rooms`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    pub kind: Kind,
    pub addresses: Vec<SocketAddr>,
    pub rooms: usize,
    pub streams: usize,
    /// How many are opened a second.
    pub per_sec: u32,
    /// This process has the streams `first`, `first + step`, …
    pub first: usize,
    pub step: usize,
    pub threads: usize,
}

impl Spec {
    pub fn new(kind: Kind, addresses: &[SocketAddr], rooms: usize, streams: usize) -> Self {
        let addresses = addresses.to_vec();
        Self {
            kind,
            addresses,
            rooms,
            streams,
            per_sec: 5_000,
            first: 0,
            step: 1,
            threads: THREADS,
        }
    }
}

/// One line each to a process of readers, which answers with one line.
#[derive(Serialize, Deserialize)]
enum Order {
    Open(Spec),
    Schedule(Schedule),
    Status,
    Latencies,
    Lists,
}

/// What was read until now.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    pub open: u64,
    /// Open streams that have had a frame.
    pub listed: u64,
    pub frames: u64,
    pub frame_bytes: u64,
    /// Everything, with heartbeats and what HTTP adds.
    pub bytes: u64,
    /// Events that count, each for each stream that showed it.
    pub covered: u64,
    /// Frames with an event of another room.
    pub wrong: u64,
    pub ended: u64,
    pub refused: u64,
}

impl Status {
    fn add(&mut self, more: Self) {
        let Self { open, listed, frames, frame_bytes, bytes, covered, wrong, ended, refused } =
            more;
        self.open += open;
        self.listed += listed;
        self.frames += frames;
        self.frame_bytes += frame_bytes;
        self.bytes += bytes;
        self.covered += covered;
        self.wrong += wrong;
        self.ended += ended;
        self.refused += refused;
    }
}

/// All processes of readers.
pub struct Readers(Vec<Process>);

impl Readers {
    /// Opens all streams, and waits until each has its first frame, where it gets one.
    pub fn open(spec: &Spec) -> Self {
        let count = spec.streams.div_ceil(MAX_STREAMS);
        let mut readers = Self((0..count).map(|_| Process::start()).collect());
        for (first, process) in readers.0.iter_mut().enumerate() {
            let threads = spec.threads.div_ceil(count);
            let per_sec = spec.per_sec.div_ceil(u32::try_from(count).expect("few"));
            process.tell(&Order::Open(Spec {
                first,
                step: count,
                threads,
                per_sec,
                ..spec.clone()
            }));
        }
        readers.0.iter_mut().for_each(Process::answer::<()>);
        let open = readers.until(spec.streams as u64, OPENING_PATIENCE, |status| match spec.kind {
            Kind::BareLoop => status.open,
            Kind::Lists | Kind::Deltas | Kind::Nchan => status.listed,
        });
        assert_eq!(
            open,
            spec.streams as u64,
            "not all streams could be opened: {:?}",
            readers.status()
        );
        readers
    }

    pub fn schedule(&mut self, schedule: Schedule) {
        self.ask_all::<()>(&Order::Schedule(schedule));
    }

    pub fn status(&mut self) -> Status {
        let mut all = Status::default();
        self.ask_all(&Order::Status).into_iter().for_each(|status| all.add(status));
        all
    }

    /// Waits until a figure is this large, or has not changed for a while. Returns how large it is.
    pub fn until(
        &mut self,
        wanted: u64,
        patience: Duration,
        figure: impl Fn(&Status) -> u64,
    ) -> u64 {
        let (mut last, mut since) = (0, Instant::now());
        loop {
            let now = figure(&self.status());
            if now != last {
                (last, since) = (now, Instant::now());
            }
            if now >= wanted || since.elapsed() > patience {
                return now;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn latencies(&mut self) -> Histogram {
        let mut all = Histogram::default();
        self.ask_all(&Order::Latencies).iter().for_each(|some| all.merge(some));
        all
    }

    /// How many streams of which room have a list with which checksum as their last.
    pub fn lists(&mut self) -> HashMap<(usize, u32), u64> {
        let mut all = HashMap::new();
        for (room, checksum, count) in
            self.ask_all::<Vec<(usize, u32, u64)>>(&Order::Lists).into_iter().flatten()
        {
            *all.entry((room, checksum)).or_default() += count;
        }
        all
    }

    pub fn cpu(&self) -> Duration {
        self.0.iter().map(|process| cpu_of(process.child.id())).sum()
    }

    fn ask_all<T: DeserializeOwned>(&mut self, command: &Order) -> Vec<T> {
        self.0.iter_mut().for_each(|process| process.tell(command));
        self.0.iter_mut().map(Process::answer).collect()
    }
}

struct Process {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Process {
    fn start() -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.arg("readers").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("readers start");
        let commands = child.stdin.take().expect("it is piped");
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, commands, answers }
    }

    fn tell(&mut self, command: &Order) {
        let line = serde_json::to_string(command).expect("it is JSON");
        writeln!(self.commands, "{line}").expect("readers");
    }

    fn answer<T: DeserializeOwned>(&mut self) -> T {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("readers answer");
        serde_json::from_str(&line).expect("readers answer")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
