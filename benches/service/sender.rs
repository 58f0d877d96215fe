//! What sending costs the sender: service and bare loop, one thread each, on a processor of their own, with readers and publisher on
//! another; beside the same without pinning.
//!
//! `cargo bench --bench service -- sender`. On loopback the sender also carries what it sends to the readers' sockets, as a network card
//! and another machine would. That is the same for both, and none of the readers' own work.

use std::time::Duration;

use super::{
    fan_out::{self, Load, NO_COALESCING, Outcome},
    process::{Measured, pin, pinned},
    report::median,
    target::{Kind, Target},
};

const ROUNDS: usize = 3;
const SENDER: usize = 0;
const OTHERS: usize = 1;

pub fn measure(rounds: Option<usize>) {
    let rounds = rounds.unwrap_or(ROUNDS);
    println!("CPU µs a frame, and p99 in ms, medians of {rounds}:");
    println!("  {:<50} {:>9} {:>9} {:>7}", "", "service", "bare loop", "ratio");
    for per_sec in [50, 500] {
        let load = Load { readers: 1, ..Load::at(per_sec) };
        report(per_sec, "anywhere", rounds, || pair(&load, None));
    }
    // From here on everything that is started, other than the senders.
    pin(OTHERS);
    for per_sec in [50, 500] {
        let load = Load { readers: 1, ..Load::at(per_sec) };
        report(per_sec, "sender apart from readers", rounds, || pair(&load, Some(SENDER)));
    }
}

/// The service, and the bare loop. Where they are not pinned, the service has as many threads as there are processors.
fn pair(load: &Load, processor: Option<usize>) -> [Outcome; 2] {
    let service = [pinned(processor, || Measured::service_with(&[NO_COALESCING]))];
    let mut target = Target::new(Kind::Lists, &[service[0].address], load.rooms, load.people);
    let of_service = fan_out::run(load, &mut target, &service);
    drop(service);
    let bytes = of_service.mean_frame_bytes();
    let bare = [pinned(processor, || Measured::bare_loop(1))];
    let target = Target::new(Kind::BareLoop, &[bare[0].address], load.rooms, load.people);
    let of_bare_loop = fan_out::run(load, &mut target.with_list_bytes(bytes), &bare);
    [of_service, of_bare_loop]
}

type Row = (&'static str, fn(&Outcome) -> f64);

fn report(per_sec: u32, where_: &str, rounds: usize, pair: impl Fn() -> [Outcome; 2]) {
    let pairs: Vec<_> = (0..rounds).map(|_| pair()).collect();
    let rows: [Row; 3] = [
        ("µs", Outcome::cpu_micros),
        ("p50", |outcome| outcome.latencies.millis(500)),
        ("p99", |outcome| outcome.latencies.millis(990)),
    ];
    for (name, figure) in rows {
        let of = |which: usize| median(pairs.iter().map(|pair| figure(&pair[which])));
        let ratio = median(pairs.iter().map(|pair| figure(&pair[0]) / figure(&pair[1])));
        let what = format!("{per_sec} events a second, {where_}: {name}");
        println!("  {what:<50} {:>9.2} {:>9.2} {ratio:>7.2}", of(0), of(1));
    }
    let lost: u64 = pairs.iter().flatten().map(|outcome| outcome.lost).sum();
    let readers = |outcome: &Outcome| {
        outcome.cpu_of_readers.as_secs_f64()
            / outcome.took.max(Duration::from_millis(1)).as_secs_f64()
    };
    let readers = pairs.iter().flatten().map(readers).fold(0.0, f64::max);
    println!("  {lost} lost; readers had up to {readers:.2} of a processor");
}
