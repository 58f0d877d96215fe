//! A process of readers, from inside: takes orders on its standard input, and answers each with a line.

use std::{
    collections::HashMap,
    io::{BufRead, Write},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use mio::Events;
use serde::Serialize;

use super::{Order, Spec, Status, streams::Streams};
use crate::{
    histogram::Histogram,
    process::{end_with_parent, raise_descriptors},
};

pub fn run() {
    end_with_parent();
    raise_descriptors();
    let mut threads = Vec::new();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        match serde_json::from_str(&line).expect("an order") {
            Order::Open(spec) => {
                threads = (0..spec.threads).map(|thread| start(&spec, thread)).collect();
                answer(());
            }
            Order::Schedule(schedule) => {
                each(&threads, |streams| streams.follow(schedule));
                answer(());
            }
            Order::Status => {
                let mut all = Status::default();
                each(&threads, |streams| all.add(streams.status()));
                answer(all);
            }
            Order::Latencies => {
                let mut all = Histogram::default();
                each(&threads, |streams| all.merge(streams.latencies()));
                answer(all);
            }
            Order::Lists => {
                let mut all: HashMap<(usize, u32), u64> = HashMap::new();
                each(&threads, |streams| {
                    streams.lists().for_each(|list| *all.entry(list).or_default() += 1);
                });
                let all: Vec<_> =
                    all.into_iter().map(|((room, sum), count)| (room, sum, count)).collect();
                answer(all);
            }
        }
    }
}

type Shared = Arc<Mutex<Streams>>;

/// A thread with its share of the streams.
fn start(spec: &Spec, thread: usize) -> Shared {
    let numbers = (spec.first..spec.streams).step_by(spec.step).skip(thread).step_by(spec.threads);
    let (streams, mut poll) = Streams::new(spec, numbers);
    let shared = Arc::new(Mutex::new(streams));
    let of_thread = Arc::clone(&shared);
    thread::spawn(move || {
        let mut events = Events::with_capacity(1024);
        let mut scratch = vec![0; 256 * 1024];
        let mut wait = Duration::ZERO;
        loop {
            poll.poll(&mut events, Some(wait)).expect("a poll");
            let mut streams = of_thread.lock().expect("nobody panics");
            for event in &events {
                streams.ready(event.token().0, event.is_read_closed(), &mut scratch);
            }
            wait = streams.connect_due();
        }
    });
    shared
}

fn each(threads: &[Shared], mut act: impl FnMut(&mut Streams)) {
    for thread in threads {
        act(&mut thread.lock().expect("nobody panics"));
    }
}

fn answer(value: impl Serialize) {
    let line = serde_json::to_string(&value).expect("it is JSON");
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}").expect("somebody listens");
    output.flush().expect("somebody listens");
}
