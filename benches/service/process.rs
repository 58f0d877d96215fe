//! The measured processes, and what the kernel says of them.

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use rustix::{
    process::{
        Pid, Resource, Rlimit, Signal, getrlimit, kill_process, set_parent_process_death_signal,
        setrlimit,
    },
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

/// Signs the webhooks of the benchmark.
pub const KEYS: &str = "APIbench: secret-of-the-benchmark-0123456789abcdef";
/// Nothing takes longer to end, unless it hangs.
const END: Duration = Duration::from_mins(1);

/// A process whose memory and time are read from /proc, with those that it has started.
pub struct Measured {
    pub address: SocketAddr,
    child: Child,
}

impl Measured {
    /// The service, without limits that would be in the way.
    pub fn service() -> Self {
        Self::service_with(&[])
    }

    pub fn service_with(settings: &[(&str, &str)]) -> Self {
        Self::program_with(env!("CARGO_BIN_EXE_livekit-presence"), settings)
    }

    /// The service as this program, which may be another build.
    pub fn program_with(program: &str, settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program);
        command.env_clear().envs([
            ("LIVEKIT_KEYS", KEYS),
            ("LKP__HTTP__BIND", "127.0.0.1:0"),
            ("LKP__AUTH__MODE", "open"),
            ("LKP__LOG__FORMAT", "json"),
            ("LKP__LIMITS__STREAMS_PER_ADDRESS", "0"),
            ("LKP__LIMITS__READS_PER_ADDRESS", "0"),
        ]);
        command.envs(settings.iter().copied());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the service starts");
        let mut lines =
            BufReader::new(child.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
        let listening = lines.find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(&line).ok()?;
            let is_it = line["message"] == "listening";
            is_it.then(|| line["address"].as_str()?.parse().ok())?
        });
        // Nobody reads the rest, and a full pipe would be in its way.
        thread::spawn(move || lines.for_each(drop));
        Self { address: listening.expect("it listens"), child }
    }

    /// A Redis that keeps nothing on disk. None where it is not installed.
    pub fn redis(port: u16) -> Option<Self> {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string()]);
        Self::command(command, SocketAddr::from(([127, 0, 0, 1], port)))
    }

    /// Another server, once it accepts connections. None where it is not installed.
    pub fn command(mut command: Command, address: SocketAddr) -> Option<Self> {
        let mut child = command.stdout(Stdio::null()).spawn().ok()?;
        while TcpStream::connect(address).is_err() {
            let ended = child.try_wait().expect("a child");
            assert!(ended.is_none(), "{command:?} ended before it listened at {address}");
            thread::sleep(Duration::from_millis(10));
        }
        Some(Self { address, child })
    }

    /// This program as a bare loop. It says on its standard output where it listens.
    pub fn bare_loop(threads: usize) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["bare-loop", &threads.to_string()]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the bare loop starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("it says where it listens");
        Self { address: line.trim().parse().expect("an address"), child }
    }

    /// The time that all of its threads have spent on a processor, in the kernel too.
    pub fn cpu(&self) -> Duration {
        self.ids().into_iter().map(cpu_of).sum()
    }

    /// Its memory; of pages that others use too only a part.
    pub fn proportional_kib(&self) -> usize {
        let of = |id: u32| {
            let text =
                std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")).expect("it runs");
            let line =
                text.lines().find_map(|line| line.strip_prefix("Pss:")).expect("it has memory");
            let digits: String = line.chars().filter(char::is_ascii_digit).collect();
            digits.parse::<usize>().expect("kibibytes")
        };
        self.ids().into_iter().map(of).sum()
    }

    /// How many descriptors and how many threads it has.
    pub fn descriptors_and_threads(&self) -> (usize, usize) {
        let count = |what: &str| {
            std::fs::read_dir(format!("/proc/{}/{what}", self.child.id())).expect("it runs").count()
        };
        (count("fd"), count("task"))
    }

    fn ids(&self) -> Vec<u32> {
        let id = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.unwrap_or_default();
        let children = children.split_whitespace().map(|id| id.parse().expect("a process"));
        std::iter::once(id).chain(children).collect()
    }

    /// Asks it to end. Returns before it has.
    pub fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it runs");
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        // A server with children of its own ends them only if it is asked.
        if !self.has_ended() && self.ids().len() > 1 {
            self.terminate();
            let started = std::time::Instant::now();
            while !self.has_ended() && started.elapsed() < END {
                thread::sleep(Duration::from_millis(10));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nothing if it has ended. Of the threads that live: none of those that work here ends before its process.
pub fn cpu_of(process: u32) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten();
    let nanos = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// Lets this thread, and all threads and processes that it starts from now on, run on one processor only.
pub fn pin(processor: usize) {
    let mut processors = CpuSet::new();
    processors.set(processor);
    sched_setaffinity(None, &processors).expect("there is such a processor");
}

/// What `start` starts runs on that processor only; this thread goes on as before.
pub fn pinned<T>(processor: Option<usize>, start: impl FnOnce() -> T) -> T {
    let before = sched_getaffinity(None).expect("an affinity");
    if let Some(processor) = processor {
        pin(processor);
    }
    let started = start();
    sched_setaffinity(None, &before).expect("as before");
    started
}

/// This process ends with the one that has started it.
pub fn end_with_parent() {
    set_parent_process_death_signal(Some(Signal::KILL)).expect("a signal");
}

/// As many as the system allows this process.
pub fn raise_descriptors() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("up to the limit");
}
