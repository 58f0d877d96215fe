//! One frame to the 50 sockets of a room: a `send` for each, beside batches by io_uring. The sender has a processor of its own.
//!
//! `cargo run --release --manifest-path benches/io-uring/Cargo.toml [SECONDS [ROUNDS]]`. What came of it is in
//! `docs/decisions/0011-sockets-are-written-one-by-one.md`. This is no part of the service, and has unsafe code.

mod receiver;
mod sender;
mod system;

use std::{thread, time::Duration};

use receiver::Receiver;
use sender::{Sender, Way};

/// Pairs of sockets are in this process: two descriptors each.
const ROOMS: usize = 100;
const SOCKETS: usize = 50;
const FRAME: usize = 3_000;
const RATES: [u64; 2] = [50, 500];

fn main() {
    let mut numbers =
        std::env::args().skip(1).map(|number| number.parse::<u64>().expect("a number"));
    let seconds = numbers.next().unwrap_or(6);
    let rounds = numbers.next().unwrap_or(3);
    system::raise_descriptors();
    let (senders, receivers) = system::pairs(ROOMS * SOCKETS);
    let receiver = Receiver::start(receivers);
    system::pin(0);
    println!(
        "{FRAME} bytes to {SOCKETS} sockets, medians of {rounds} runs of {seconds} s: CPU µs a frame of the sender | p50 ms | p99 ms"
    );
    for rate in RATES {
        let mut results: Vec<Vec<[f64; 3]>> = vec![Vec::new(); Way::ALL.len()];
        for _ in 0..rounds {
            for (way, results) in Way::ALL.into_iter().zip(&mut results) {
                results.extend(run(way, &senders, &receiver, rate, seconds));
            }
        }
        let base = results[0].clone();
        for (way, results) in Way::ALL.into_iter().zip(&results) {
            report(rate, way, results, &base);
        }
    }
}

/// None where the kernel does not allow this.
fn run(
    way: Way,
    sockets: &[i32],
    receiver: &Receiver,
    rate: u64,
    seconds: u64,
) -> Option<[f64; 3]> {
    let mut sender = match Sender::new(way, sockets) {
        Ok(sender) => sender,
        Err(error) => {
            eprintln!("{way:?}: {error}");
            return None;
        }
    };
    let (interval, events) = (1_000_000_000 / rate, rate * seconds);
    receiver.forget();
    let start = system::now() + 50_000_000;
    let before = system::cpu_without(receiver.thread);
    for event in 0..events {
        let at = start + event * interval;
        system::sleep_until(at);
        let room = usize::try_from(event).expect("few") % ROOMS;
        sender.send(at, &sockets[room * SOCKETS..(room + 1) * SOCKETS], room * SOCKETS);
    }
    sender.finish();
    let cpu = system::cpu_without(receiver.thread) - before;
    let frames = events * SOCKETS as u64;
    let mut latencies = receiver.wait_for(frames);
    assert_eq!(latencies.len() as u64, frames, "{way:?} lost something");
    latencies.sort_unstable();
    let at = |per_mille: usize| latencies[(latencies.len() - 1) * per_mille / 1000] as f64 / 1e6;
    drop(sender);
    // A kernel thread of a ring that is gone does not disturb the next run.
    thread::sleep(Duration::from_millis(100));
    Some([cpu as f64 / 1e3 / frames as f64, at(500), at(990)])
}

fn report(rate: u64, way: Way, results: &[[f64; 3]], base: &[[f64; 3]]) {
    if results.is_empty() {
        return println!("  {rate:>3}/s  {:<62} not available", way.name());
    }
    let median = |results: &[[f64; 3]], which: usize| {
        let mut values: Vec<f64> = results.iter().map(|result| result[which]).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let figures = [0, 1, 2].map(|which| median(results, which));
    let share = 100.0 * (figures[0] / median(base, 0) - 1.0);
    println!(
        "  {rate:>3}/s  {:<62} {:>7.2} ({share:>+5.1} %) {:>7.3} {:>7.3}",
        way.name(),
        figures[0],
        figures[1],
        figures[2]
    );
}
